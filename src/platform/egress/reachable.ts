/**
 * Which addresses a request that somebody else has named the target of may go to. Outside the sandbox: those of the public
 * Internet alone, so that no tenant reaches what stands beside us (STANDARDS §7).
 *
 * The tables are IANA's special-purpose registries (RFC 6890 and its successors), 2025. Of IPv6 only what is global unicast
 * is let through, without those parts of it that carry or stand for other addresses: so IPv4 in the clothes of IPv6
 * (mapped, NAT64, 6to4, Teredo) is refused whatever it maps to.
 */
import { BlockList, isIP } from 'node:net';

/** `anywhere`: also this machine and its neighbours, and without TLS; the sandbox's. */
export type Reach = 'anywhere' | 'public';

const SPECIAL_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carriers' NAT
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, and the clouds' metadata
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
];

const SPECIAL_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23], // Teredo, benchmarks, ORCHID
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20],
];

const special = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of SPECIAL_IPV6) special.addSubnet(network, prefix, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** Never of anything but this machine, whatever it resolves to (RFC 6761 §6.3). */
const LOOPBACK_NAME = /(?:^|\.)localhost\.?$/i;

/** Whether it is an address of the public Internet; what is no address is not. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, 'ipv4');
  // A zone (`fe80::1%eth0`) is of this link.
  if (family === 6 && !address.includes('%'))
    return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
  return false;
}

export function mayReach(address: string, reach: Reach): boolean {
  return reach === 'anywhere' || isPublicAddress(address);
}

/** Why a URL cannot be a target, by what is written in it; a name may still lead to an address that is refused. */
export function refusalOfUrl(text: string, reach: Reach): string | undefined {
  if (!URL.canParse(text)) return 'It is not an absolute URL.';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && reach === 'anywhere'))
    return reach === 'anywhere' ? 'Its scheme is neither https nor http.' : 'Its scheme is not https.';
  if (url.username !== '' || url.password !== '') return 'It has credentials in it.';
  const host = bareHost(url.hostname);
  const isRefused =
    isIP(host) === 0 ? reach !== 'anywhere' && LOOPBACK_NAME.test(host) : !mayReach(host, reach);
  if (isRefused) return 'Its address is not one of the public Internet.';
  return undefined;
}

/** Without the brackets of an IPv6 address in a URL. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
