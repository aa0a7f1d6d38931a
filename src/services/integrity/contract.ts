export { differingVerdicts } from './audit.ts';
export { verdictsModel } from './rebuild.ts';
