import ipaddr from 'ipaddr.js';

/**
 * Returns the network whose requests count as one client's: an IPv4 address itself, an IPv6 address cut to its prefix.
 * Providers assign a /64 or more per subscriber (RFC 6177), so one attacker has 2^64 addresses.
 *
 * @param address of the client, an IPv4 address mapped to IPv6 (`::ffff:192.0.2.1`) included
 * @param ipv6PrefixLength bits that are compared, 1 to 128
 */
export function clientNetwork(address: string, ipv6PrefixLength: number): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toNormalizedString()}/${ipv6PrefixLength}`);
  return `${network.toString()}/${ipv6PrefixLength}`;
}
