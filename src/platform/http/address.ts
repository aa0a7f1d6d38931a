/** Where a process takes requests, and what to say if it cannot. */
import { Fault } from '#kernel/fault.ts';
import { probePort } from '../processes/free-port.ts';
import type { HttpApp } from './http-app.ts';

export interface Address {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

/**
 * Makes sure that it can be had before anything is begun that a start which fails would leave behind. A free port is chosen
 * here because payment providers are told where to call back before the server listens.
 * @returns with the port; another program may be faster, which `listen` says
 */
export async function claimAddress(address: Address): Promise<Address> {
  try {
    return { host: address.host, port: await probePort(address) };
  } catch (error) {
    throw refusalOf(error, address);
  }
}

export async function listen(app: HttpApp, { host, port }: Address): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw refusalOf(error, { host, port });
  }
}

/** As this machine reaches it: a process that listens everywhere is reached by loopback too. */
export function urlOf({ host, port }: Address): string {
  const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

function refusalOf(error: unknown, { host, port }: Address): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const reason = code === undefined ? undefined : REASONS[code]?.(host, port);
  return reason === undefined ? error : new Fault(reason, { transient: false, cause: error });
}

const REASONS: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) =>
    `port ${port} of ${host} is taken by another program: end that one, or set LASTRO_PORT to a free port`,
  EACCES: (_host, port) =>
    `this user may not listen on port ${port}: set LASTRO_PORT to one that it may, from 1024 on`,
  EADDRNOTAVAIL: (host) => `${host} is no address of this machine: set LASTRO_HOST to one`,
  ENOTFOUND: (host) => `there is no host ${host}: set LASTRO_HOST to a name or an address of this machine`,
};
