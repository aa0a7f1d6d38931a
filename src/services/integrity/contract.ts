export { differingVerdicts } from './audit.ts';
