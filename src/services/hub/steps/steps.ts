/** Every step, each with its group. The order is for readers: each knows only the event that it acts on. */
import { deliveryStep } from './delivery-step.ts';
import { enrichmentStep } from './enrichment-step.ts';
import { rulesStep } from './rules-step.ts';
import { type StepContext, stepConsumer } from './step.ts';
import { undoStep } from './undo-step.ts';
import { validationStep } from './validation-step.ts';

export function stepConsumers(context: StepContext) {
  return [
    stepConsumer(validationStep, context),
    stepConsumer(rulesStep, context),
    stepConsumer(enrichmentStep, context),
    stepConsumer(deliveryStep, context),
    stepConsumer(undoStep, context),
  ];
}
