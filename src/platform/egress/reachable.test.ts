/** Which addresses are of the public Internet. */
import { describe, expect, test } from 'vitest';
import { isPublicAddress, refusalOfUrl } from './reachable.ts';

describe('U18: outside the sandbox is refused', () => {
  test.each([
    ['this machine', ['127.0.0.1', '127.255.255.255', '0.0.0.0', '::1', '::']],
    [
      'a private network',
      ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
    ],
    ['a private network of IPv6', ['fc00::1', 'fd12:3456::1']],
    [
      'link-local',
      ['169.254.0.0', '169.254.169.254', '169.254.255.255', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
    ],
    ['a carrier’s NAT', ['100.64.0.0', '100.127.255.255']],
    ['multicast and beyond', ['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', 'ff02::1']],
    ['IPv4 mapped into IPv6', ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:8.8.8.8']],
    ['IPv4 translated into IPv6', ['64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:0:4136::1']],
    [
      'documentation and benchmarks',
      ['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '2001:db8::1', '3fff::1'],
    ],
    ['what is no address', ['', 'localhost', '127.1', '1.2.3', '1.2.3.4.5', 'example.com']],
  ])('%s', (_what, addresses) => {
    expect(addresses.filter(isPublicAddress)).toEqual([]);
  });
});

test.each([
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '192.167.255.255',
  '192.169.0.0',
  '223.255.255.255',
  '2606:4700::1111',
  '2a00:1450:4001::1',
])('%s is of the public Internet', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

describe('a URL as a target', () => {
  test.each([
    'http://example.com/hook',
    'ftp://example.com/',
    'https://user:secret@example.com/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://localhost/',
    'https://LOCALHOST.:8443/',
    'https://hook.localhost/',
    '/hook',
    '',
  ])('%s is refused outside the sandbox', (url) => {
    expect(refusalOfUrl(url, 'public')).toBeDefined();
  });

  test('by name is taken; what the name leads to is judged when it is known', () => {
    expect(refusalOfUrl('https://example.com:8443/hook?a=b', 'public')).toBeUndefined();
    expect(refusalOfUrl('https://notlocalhost.example/', 'public')).toBeUndefined();
  });

  test('may be of this machine, and without TLS, in the sandbox', () => {
    expect(refusalOfUrl('http://127.0.0.1:3000/hook', 'anywhere')).toBeUndefined();
    expect(refusalOfUrl('http://localhost:3000/hook', 'anywhere')).toBeUndefined();
    expect(refusalOfUrl('ftp://127.0.0.1/', 'anywhere')).toBeDefined();
    expect(refusalOfUrl('http://user@127.0.0.1/', 'anywhere')).toBeDefined();
  });
});
