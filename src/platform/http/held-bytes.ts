/** How much is held in memory for each caller, up to a bound. */
import type { FastifyRequest } from 'fastify';

export class HeldBytes {
  readonly #bound: number;
  /** Of callers that hold any. */
  readonly #bytes = new Map<string, number>();

  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Whether there was room. For one who holds nothing there is, whatever it is. */
  take(caller: string, bytes: number): boolean {
    const held = this.#bytes.get(caller) ?? 0;
    const sum = held + bytes;
    if (held > 0 && sum > this.#bound) return false;
    this.#bytes.set(caller, sum);
    return true;
  }

  giveBack(caller: string, bytes: number): void {
    const left = (this.#bytes.get(caller) ?? 0) - bytes;
    if (left > 0) this.#bytes.set(caller, left);
    else this.#bytes.delete(caller);
  }
}

/** Who is not known by a key, by the address. */
export function callerOf(request: FastifyRequest): string {
  return request.caller?.tenant ?? request.socket.remoteAddress ?? '';
}
