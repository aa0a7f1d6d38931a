export { AUDITED_VERDICTS, differingVerdicts } from './audit.ts';
export {
  type CheckpointTrust,
  listCheckpoints,
  listStandings,
  listStandingsOf,
  listStrayStandings,
  type NumberedStanding,
  readCheckpointTrust,
} from './checkpoints/audit.ts';
export { verdictsModel } from './rebuild.ts';
