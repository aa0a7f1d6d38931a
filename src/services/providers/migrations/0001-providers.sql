-- What is asked of external payment providers, and what became of it.
select log.create_topic('providers');
