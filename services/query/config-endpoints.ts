// The querier's flags about its stores: their addresses and how they are connected to, named as Thanos's.
// Owns what an address may be, and TLS as the flags say it.
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, type FlagValues, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { type ClientTls, clientCredentials } from '../../lib/kit/grpc.ts'

export const endpointFlags = {
  endpoint: stringsFlag('endpoint', {
    help: 'Address (host:port) of a store: a sidecar, a store gateway, a querier, or whatever else serves the StoreAPI (repeatable).',
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

type EndpointFlags = FlagValues<typeof endpointFlags>

/** Throws `config` naming the flag, also where a TLS file cannot be read. */
export function checkEndpointFlags(values: EndpointFlags): void {
  for (const address of values.endpoint) checkAddress('flag --endpoint', address)
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

/** Throws `config`: `where: got "address", want …`. */
export function checkAddress(where: string, address: string): void {
  const scheme = /^[a-z]+\+/.exec(address)?.[0]
  const got = `${where}: got "${address}"`
  if (scheme !== undefined)
    throw new MnemoError('config', `${got}, want host:port: discovery by "${scheme}" is not there yet`)
  const port = Number(/^(?:\[[^\]]+\]|[^:/\s]+):(\d{1,5})$/.exec(address)?.[1])
  if (!(port > 0 && port <= 65_535)) throw new MnemoError('config', `${got}, want host:port`)
}
