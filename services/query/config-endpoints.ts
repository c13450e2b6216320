// The querier's flags about its stores: their addresses and how they are connected to, named as Thanos's.
// Owns what an address may be, and TLS as the flags say it.
import { parseDnsAddress } from '../../lib/kit/dns-address.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { durationFlag, type FlagValues, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { clientTlsOf, grpcClientFlags } from '../../lib/kit/grpc-client-flags.ts'
import type { EndpointSpec } from './endpoint-spec.ts'

export const endpointFlags = {
  endpoint: stringsFlag('endpoint', {
    help: 'Address (host:port) of a store: a sidecar, a store gateway, a querier, or whatever else serves the StoreAPI (repeatable). With dns+, dnssrv+ or dnssrvnoa+ in front, the name is resolved and each of its addresses is asked.',
  }),
  endpointStrict: stringsFlag('endpoint-strict', {
    help: 'Address (host:port) of a store that is always shown, even if it has been down for long (repeatable).',
  }),
  endpointGroup: stringsFlag('endpoint-group', {
    help: 'DNS name (host:port) of stores that hold the same: one of its addresses is asked, in turns, instead of each (repeatable).',
  }),
  endpointGroupStrict: stringsFlag('endpoint-group-strict', {
    help: 'As --endpoint-group, always shown (repeatable).',
  }),
  sdConfigFile: stringFlag('endpoint.sd-config-file', {
    help: 'YAML file with endpoint definitions, read again when the reload interval is over.',
    default: '',
  }),
  sdConfig: stringFlag('endpoint.sd-config', {
    help: "Content of --endpoint.sd-config-file, instead of a file's path.",
    default: '',
  }),
  sdConfigReloadMs: durationFlag('endpoint.sd-config-reload-interval', {
    help: 'Interval between endpoint config refreshes.',
    default: '5m',
  }),
  sdFiles: stringsFlag('store.sd-files', {
    help: 'Path of files with addresses of stores, as in Prometheus file discovery; may be a pattern (repeatable). Read again when they change.',
  }),
  sdIntervalMs: durationFlag('store.sd-interval', {
    help: 'Interval at which --store.sd-files are read again in any case.',
    default: '5m',
  }),
  dnsIntervalMs: durationFlag('store.sd-dns-interval', {
    help: 'Interval between DNS resolutions.',
    default: '30s',
  }),
  ...grpcClientFlags,
}

export type EndpointFlags = FlagValues<typeof endpointFlags>

/** Throws `config` naming the flag, also where a TLS file cannot be read. */
export function checkEndpointFlags(values: EndpointFlags): void {
  for (const [flag, addresses, kind] of addressFlags(values))
    for (const address of addresses) checkEndpoint(`flag --${flag.name}`, { address, ...kind })
  if (values.sdConfig !== '' && values.sdConfigFile !== '')
    throw new MnemoError('config', 'want one of --endpoint.sd-config and --endpoint.sd-config-file, got both')
  for (const [flag, ms] of [
    [endpointFlags.sdConfigReloadMs, values.sdConfigReloadMs],
    [endpointFlags.dnsIntervalMs, values.dnsIntervalMs],
    [endpointFlags.sdIntervalMs, values.sdIntervalMs],
  ] as const)
    if (ms < 1) throw new MnemoError('config', `flag --${flag.name}: got ${ms} ms, want more than 0`)
  clientTlsOf(values)
}

/** The endpoints that the address flags name. */
export function specsOfFlags(values: EndpointFlags): EndpointSpec[] {
  const tls = clientTlsOf(values)
  return addressFlags(values).flatMap(([, addresses, kind]) => addresses.map((address) => ({ address, ...kind, tls })))
}

function addressFlags(values: EndpointFlags) {
  return [
    [endpointFlags.endpoint, values.endpoint, { isGroup: false, isStrict: false }],
    [endpointFlags.endpointStrict, values.endpointStrict, { isGroup: false, isStrict: true }],
    [endpointFlags.endpointGroup, values.endpointGroup, { isGroup: true, isStrict: false }],
    [endpointFlags.endpointGroupStrict, values.endpointGroupStrict, { isGroup: true, isStrict: true }],
  ] as const
}

/** Throws `config`: `where: got "address", want …`. */
export function checkEndpoint(where: string, { address, isGroup, isStrict }: Omit<EndpointSpec, 'tls'>): void {
  const got = `${where}: got "${address}"`
  const dns = parseDnsAddress(address)
  if (isGroup && dns !== undefined && dns.kind !== 'dns')
    throw new MnemoError('config', `${got}, want host:port for a group`)
  if (isStrict && !isGroup && dns !== undefined)
    throw new MnemoError('config', `${got}, want host:port: what is found by DNS cannot be strict`)
  if (dns !== undefined) return
  const port = Number(/^(?:\[[^\]]+\]|[^:/\s+]+):(\d{1,5})$/.exec(address)?.[1])
  if (!(port > 0 && port <= 65_535))
    throw new MnemoError('config', `${got}, want host:port, or dns+host:port, dnssrv+name, dnssrvnoa+name`)
}
