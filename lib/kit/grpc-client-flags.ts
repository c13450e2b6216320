// Flags of a gRPC client's TLS, named as Thanos's, and what they say.
// Owns what goes together.
import { MnemoError } from './errors.ts'
import { boolFlag, type FlagValues, stringFlag } from './flags.ts'
import { type ClientTls, clientCredentials } from './grpc-tls.ts'

export const grpcClientFlags = {
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

/** How peers are connected to; undefined: in plain text. Throws `config`, also where a file cannot be used. */
export function clientTlsOf(values: FlagValues<typeof grpcClientFlags>): ClientTls | undefined {
  const { tlsCa: caFile, tlsCert: certFile, tlsKey: keyFile, tlsServerName: serverName } = values
  if ((certFile === '') !== (keyFile === ''))
    throw new MnemoError('config', 'want both of --grpc-client-tls-cert and --grpc-client-tls-key, or neither')
  if (!values.tlsSecure) return undefined
  const tls = {
    ...(caFile !== '' && { caFile }),
    ...(certFile !== '' && { certFile }),
    ...(keyFile !== '' && { keyFile }),
    ...(serverName !== '' && { serverName }),
    ...(values.tlsSkipVerify && { skipVerify: true }),
  }
  clientCredentials(tls)
  return tls
}
