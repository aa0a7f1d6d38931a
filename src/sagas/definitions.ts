/** Every saga there is, and which one a payment or a refund follows. */
import { balancePayment } from './balance-payment.ts';
import { balanceRefund } from './balance-refund.ts';
import { gatewayPayment } from './gateway-payment.ts';
import { gatewayRefund } from './gateway-refund.ts';
import { integrationSaga } from './integration.ts';
import type { SagaDefinition } from './saga.ts';

export type SagaMethod = 'balance' | 'gateway';

export const PAYMENT_SAGAS: Readonly<Record<SagaMethod, SagaDefinition>> = {
  balance: balancePayment,
  gateway: gatewayPayment,
};

export const REFUND_SAGAS: Readonly<Record<SagaMethod, SagaDefinition>> = {
  balance: balanceRefund,
  gateway: gatewayRefund,
};

/** Of money: conducted by the coordinator, judged by the integrity service. */
export const SAGAS: readonly SagaDefinition[] = [
  balancePayment,
  gatewayPayment,
  balanceRefund,
  gatewayRefund,
];

/** With those that nobody conducts. */
export const ALL_SAGAS: readonly SagaDefinition[] = [...SAGAS, integrationSaga];
