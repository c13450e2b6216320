// TLS for gRPC, both ends, with certificates that are taken anew when their files change (tls-files.ts).
// grpc-js has a watcher of files of its own, which forgets what it had while a file cannot be read, and knows no versions.
// Owns the credentials.
import { createSecureContext, rootCertificates, type SecureContextOptions } from 'node:tls'
import { type ChannelCredentials, credentials, experimental, ServerCredentials } from '@grpc/grpc-js'
import { MnemoError } from './errors.ts'
import type { Logger } from './log.ts'
import { sharedTlsFiles, TlsFiles } from './tls-files.ts'

export interface ServerTls {
  readonly certFile: string
  readonly keyFile: string
  /** Where given, clients must show a certificate of this authority. */
  readonly clientCaFile?: string
  /** Versions, suites and curves; absent: those of Node.js. */
  readonly options?: TlsOptions
}

export type TlsOptions = Pick<SecureContextOptions, 'minVersion' | 'ciphers' | 'ecdhCurve'>

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
  const { certFile, keyFile, clientCaFile: caFile, options = {} } = tls
  const files = new TlsFiles({ certFile, keyFile, ...(caFile !== undefined && { caFile }) }, logger)
  try {
    createSecureContext(options)
  } catch (cause) {
    throw new MnemoError('config', 'cannot use --grpc-server-tls-ciphers and --grpc-server-tls-curves', { cause })
  }
  return new FilesCredentials(files, options, caFile !== undefined)
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

/** A server's: grpc-js asks for the context that it begins with, and is told of others while it listens. */
class FilesCredentials extends ServerCredentials {
  readonly #files: TlsFiles
  readonly #options: TlsOptions
  #unwatch: (() => void) | undefined

  constructor(files: TlsFiles, options: TlsOptions, wantsCertificates: boolean) {
    const common = { requestCert: wantsCertificates, rejectUnauthorized: wantsCertificates }
    super(common, { ...options, ...files.current })
    this.#files = files
    this.#options = options
  }

  override _addWatcher(watcher: (context: SecureContextOptions | null) => void): void {
    super._addWatcher(watcher)
    this.#unwatch ??= this.#files.watch((material) => {
      this.updateSecureContextOptions({ ...this.#options, ...material })
    })
  }

  override _removeWatcher(watcher: (context: SecureContextOptions | null) => void): void {
    super._removeWatcher(watcher)
    if (this.getWatcherCount() > 0) return
    this.#unwatch?.()
    this.#unwatch = undefined
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
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
