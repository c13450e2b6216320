// TLS for gRPC, both ends, with certificates that are taken anew when their files change (tls-files.ts).
// Over grpc-js's certificate providers, whose own file watcher forgets what it had while a file cannot be read.
// Owns the providers.
import { rootCertificates } from 'node:tls'
import { type ChannelCredentials, credentials, experimental, ServerCredentials } from '@grpc/grpc-js'
import type { Logger } from './log.ts'
import { sharedTlsFiles, TlsFiles } from './tls-files.ts'

export interface ServerTls {
  readonly certFile: string
  readonly keyFile: string
  /** Where given, clients must show a certificate of this authority. */
  readonly clientCaFile?: string
}

export interface ClientTls {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  /** The name that the server's certificate is for, where it is not the address's. */
  readonly serverName?: string
  /** Accept any certificate. */
  readonly skipVerify?: boolean
}

/** A server's credentials; none given: plain text. Throws `config` where a file cannot be read or used. */
export function serverCredentials(tls: ServerTls | undefined, logger: Logger): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure()
  const { certFile, keyFile, clientCaFile: caFile } = tls
  const provider = new FilesProvider(
    new TlsFiles({ certFile, keyFile, ...(caFile !== undefined && { caFile }) }, logger),
  )
  // grpc-js 1.14 takes the identity's provider first, other than its declaration says; a test of both kinds holds this.
  const authority = caFile === undefined ? null : provider
  return experimental.createCertificateProviderServerCredentials(provider, authority, caFile !== undefined)
}

/** A client's credentials; none given: plain text. Throws `config` where a file cannot be read or used. */
export function clientCredentials(tls?: ClientTls): ChannelCredentials {
  if (!tls) return credentials.createInsecure()
  const { caFile, certFile, keyFile } = tls
  const files = sharedTlsFiles({
    ...(caFile && { caFile }),
    ...(certFile && { certFile }),
    ...(keyFile && { keyFile }),
  })
  const provider = providerOf(files)
  return experimental.createCertificateProviderChannelCredentials(provider, certFile ? provider : null, {
    rejectUnauthorized: tls.skipVerify !== true,
  })
}

const providers = new WeakMap<TlsFiles, FilesProvider>()

/** One provider for the same files: grpc-js shares connections by it. */
function providerOf(files: TlsFiles): FilesProvider {
  let provider = providers.get(files)
  if (!provider) {
    provider = new FilesProvider(files)
    providers.set(files, provider)
  }
  return provider
}

class FilesProvider implements experimental.CertificateProvider {
  readonly #files: TlsFiles
  readonly #authority = new Set<experimental.CaCertificateUpdateListener>()
  readonly #identity = new Set<experimental.IdentityCertificateUpdateListener>()
  #unwatch: (() => void) | undefined

  constructor(files: TlsFiles) {
    this.#files = files
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authority.add(listener)
    this.#watch()
    // Not at once: grpc-js listens for the change that this makes only when it has added us.
    process.nextTick(() => listener(this.#authorityNow()))
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authority.delete(listener)
    this.#watch()
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identity.add(listener)
    this.#watch()
    process.nextTick(() => listener(this.#identityNow()))
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identity.delete(listener)
    this.#watch()
  }

  #watch(): void {
    const isWanted = this.#authority.size + this.#identity.size > 0
    if (isWanted) this.#unwatch ??= this.#files.watch(() => this.#tell())
    else {
      this.#unwatch?.()
      this.#unwatch = undefined
    }
  }

  #tell(): void {
    for (const listener of this.#authority) listener(this.#authorityNow())
    for (const listener of this.#identity) listener(this.#identityNow())
  }

  /** Without a file: the authorities that Node.js knows. */
  #authorityNow(): experimental.CaCertificateUpdate {
    return { caCertificate: this.#files.current.ca ?? Buffer.from(rootCertificates.join('\n')) }
  }

  #identityNow(): experimental.IdentityCertificateUpdate | null {
    const { cert, key } = this.#files.current
    return cert && key ? { certificate: cert, privateKey: key } : null
  }
}
