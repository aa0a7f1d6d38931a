/** How much is held in memory for each caller, up to a bound. */
import type { FastifyRequest } from 'fastify';
import { Tally } from '#kernel/tally.ts';

export class HeldBytes {
  readonly #bound: number;
  readonly #bytes = new Tally<string>();

  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Whether there was room. For one who holds nothing there is, whatever it is. */
  take(caller: string, bytes: number): boolean {
    const held = this.#bytes.of(caller);
    if (held > 0 && held + bytes > this.#bound) return false;
    this.#bytes.add(caller, bytes);
    return true;
  }

  giveBack(caller: string, bytes: number): void {
    this.#bytes.subtract(caller, bytes);
  }
}

/** Who is not known by a key, by the address. */
export function callerOf(request: FastifyRequest): string {
  return request.caller?.tenant ?? request.socket.remoteAddress ?? '';
}
