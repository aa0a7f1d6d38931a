-- Validation owns no state yet beyond its log: its rules read the ledger's accounts through the contract.
select log.create_topic('validation');
