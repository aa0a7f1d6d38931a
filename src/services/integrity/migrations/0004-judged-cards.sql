-- How far the cards' log has been judged, and when last: the verdict on all that came to its end up to there, but for what is
-- among the findings. A row for each decision would cost more than the decision.
create table judged_cards (
  partition smallint primary key,
  position bigint not null check (position > 0),
  judged_at timestamptz not null
) with (fillfactor = 50);
