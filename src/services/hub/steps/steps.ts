/** Every step, each with its group. The order is for readers: each knows only the event that it acts on. */
import type { Connectors } from '../connectors.ts';
import type { Evaluator } from '../evaluation/evaluator.ts';
import { Carrier } from './carry.ts';
import { deliveryStep } from './delivery-step.ts';
import { enrichmentStep } from './enrichment-step.ts';
import { rulesStep } from './rules-step.ts';
import type { AnyStep } from './step.ts';
import { type StepContext, stepConsumer } from './step-consumer.ts';
import { undoStep } from './undo-step.ts';
import { validationStep } from './validation-step.ts';

const STEPS: readonly AnyStep[] = [validationStep, rulesStep, enrichmentStep, deliveryStep, undoStep];

export interface StepOptions extends Omit<StepContext, 'carrier'> {
  readonly connectors: Connectors;
  readonly evaluator: Evaluator;
}

export function stepConsumers(options: StepOptions) {
  const context = { ...options, carrier: new Carrier({ ...options, steps: STEPS }) };
  return STEPS.map((step) => stepConsumer(step, context));
}
