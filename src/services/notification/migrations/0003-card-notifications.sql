-- What the holder of a card is told, rendered once: a row per event of the cards' log, by where that event stands. So rows come
-- in the order of the key, and what was told of a card transaction is found by its events.
create table card_notifications (
  partition smallint not null,
  position bigint not null,
  tenant text not null,
  payload text not null,
  created_at timestamptz not null,
  primary key (partition, position)
);
