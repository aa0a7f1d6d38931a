/** What is to be done once the commit of an order is known; undefined where somebody else had executed it. */
export type Done = (() => Promise<void>) | undefined;

export const NOTHING_LEFT = async (): Promise<void> => undefined;
