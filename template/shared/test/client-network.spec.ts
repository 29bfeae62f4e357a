import { expect, it } from '[[ test_api ]]';
import { clientNetwork } from '../../src/[[ common_folder ]]/http/client-network.js';

it('counts the addresses of one /64 as one client', () => {
  const network = clientNetwork('2001:db8:0:1::1', 64);
  expect(clientNetwork('2001:db8:0:1:ffff:ffff:ffff:ffff', 64)).toBe(network);
  expect(clientNetwork('2001:db8:0:2::1', 64)).not.toBe(network);
});

it('compares as many bits as it is told to', () => {
  expect(clientNetwork('2001:db8:0:2::1', 56)).toBe(clientNetwork('2001:db8:0:1::1', 56));
  expect(clientNetwork('2001:db8::2', 128)).not.toBe(clientNetwork('2001:db8::1', 128));
});

it('counts an IPv4 address alone, mapped to IPv6 or not', () => {
  expect(clientNetwork('::ffff:192.0.2.1', 64)).toBe(clientNetwork('192.0.2.1', 64));
  expect(clientNetwork('192.0.2.2', 64)).not.toBe(clientNetwork('192.0.2.1', 64));
});

it('ignores the zone of an address', () => {
  expect(clientNetwork('fe80::1%eth0', 64)).toBe(clientNetwork('fe80::2', 64));
});

it('keeps what is no address', () => {
  expect(clientNetwork('unknown', 64)).toBe('unknown');
});
