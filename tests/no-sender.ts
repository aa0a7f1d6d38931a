/** Of tests in which no webhook is sent: what is queued waits. */
export const NO_SENDER = {
  roomOf: () => 0,
  roomOfTenant: () => 0,
  take: () => undefined,
  wake: () => undefined,
};
