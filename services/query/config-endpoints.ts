// The querier's flags about its stores: their addresses and how they are connected to, named as Thanos's.
// Owns what an address may be, and TLS as the flags say it.
import { parseDnsAddress } from '../../lib/kit/dns-address.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, durationFlag, type FlagValues, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { type ClientTls, clientCredentials } from '../../lib/kit/grpc.ts'
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
  tlsSecure: boolFlag('grpc-client-tls-secure', { help: 'Use TLS when talking to the gRPC server.', default: false }),
  tlsSkipVerify: boolFlag('grpc-client-tls-skip-verify', {
    help: 'Disable TLS certificate verification, i.e. self-signed or signed by fake CA.',
    default: false,
  }),
  tlsCert: stringFlag('grpc-client-tls-cert', {
    help: 'TLS certificates to use to identify this client to the server.',
    default: '',
  }),
  tlsKey: stringFlag('grpc-client-tls-key', { help: "TLS key for the client's certificate.", default: '' }),
  tlsCa: stringFlag('grpc-client-tls-ca', {
    help: 'TLS CA certificates to use to verify gRPC servers; blank: those of Node.js.',
    default: '',
  }),
  tlsServerName: stringFlag('grpc-client-server-name', {
    help: 'Server name to verify the hostname on the returned gRPC certificates.',
    default: '',
  }),
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
  if ((values.tlsCert === '') !== (values.tlsKey === ''))
    throw new MnemoError('config', 'want both of --grpc-client-tls-cert and --grpc-client-tls-key, or neither')
  clientCredentials(tlsOf(values))
}

/** How stores are connected to; undefined: in plain text. */
export function tlsOf(values: EndpointFlags): ClientTls | undefined {
  if (!values.tlsSecure) return undefined
  const { tlsCa: caFile, tlsCert: certFile, tlsKey: keyFile, tlsServerName: serverName } = values
  return {
    ...(caFile !== '' && { caFile }),
    ...(certFile !== '' && { certFile }),
    ...(keyFile !== '' && { keyFile }),
    ...(serverName !== '' && { serverName }),
    ...(values.tlsSkipVerify && { skipVerify: true }),
  }
}

/** The endpoints that the address flags name. */
export function specsOfFlags(values: EndpointFlags): EndpointSpec[] {
  const tls = tlsOf(values)
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
