/**
 * Connections to nothing but addresses that were judged: a name is resolved once for a connection, what it resolved to is
 * judged, and the connection is made to one of those very addresses. A name that resolves to something else a moment later
 * (DNS rebinding) changes nothing.
 */
import { isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { bareHost, mayReach, type Reach } from './reachable.ts';
import type { Resolve, ResolvedAddress } from './resolve-name.ts';

/** The target has an address that nobody may have us call. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
  readonly code = 'LASTRO_ADDRESS_REFUSED';

  constructor(host: string) {
    super(`${host} is not on the public Internet.`);
  }
}

const CONNECT_TIMEOUT_MS = 5000;

export function pinnedConnector(reach: Reach, resolve: Resolve): buildConnector.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: CONNECT_TIMEOUT_MS,
    lookup: judgedLookup(reach, resolve),
  });
  return (options, callback) => {
    const host = bareHost(options.hostname);
    // An address is not looked up.
    if (isIP(host) !== 0 && !mayReach(host, reach)) callback(new AddressRefused(host), null);
    else connect(options, callback);
  };
}

/** The addresses of a name; all of them are judged, because a connection may be made to any. */
export async function judgedAddresses(
  hostname: string,
  { reach, resolve }: { readonly reach: Reach; readonly resolve: Resolve },
): Promise<readonly ResolvedAddress[]> {
  const addresses = await resolve(hostname);
  if (!addresses.every(({ address }) => mayReach(address, reach))) throw new AddressRefused(hostname);
  return addresses;
}

function judgedLookup(reach: Reach, resolve: Resolve): LookupFunction {
  return (hostname, { all }, callback) => {
    const answer = async () => {
      try {
        const addresses = await judgedAddresses(hostname, { reach, resolve });
        const [first] = addresses;
        if (first === undefined) callback(new Error(`${hostname} has no address.`), '', 0);
        else if (all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)), '', 0);
      }
    };
    void answer();
  };
}
