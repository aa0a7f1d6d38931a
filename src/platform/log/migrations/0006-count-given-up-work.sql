-- What of each group's given-up work waits for a person is counted for metrics: of one group, however much another one has.
create index dead_letters_given_up on dead_letters (consumer_group) where state = 'open' and work is not null;
