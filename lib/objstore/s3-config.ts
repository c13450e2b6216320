// The keys of an S3 bucket's configuration.
// Specification: Thanos docs/storage.md, "S3"; names, defaults and meanings are Thanos's.
// Owns what each key means here: every key is honoured or refused, none is ignored.
import { readFileSync } from 'node:fs'
import type { ConfigSection } from '../kit/config-section.ts'
import { MnemoError } from '../kit/errors.ts'

export interface S3Settings {
  readonly bucket: string
  /** With scheme; undefined: the SDK resolves Amazon's own for the region. */
  readonly endpoint: string | undefined
  readonly region: string
  readonly dualstack: boolean
  readonly forcePathStyle: boolean
  /** Undefined: the SDK's default chain (environment, files, web identity, instance profile). */
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined
  readonly http: S3HttpSettings
  readonly listV1: boolean
  readonly sendContentMd5: boolean
  readonly partSizeBytes: number
  readonly maxAttempts: number
  readonly trace: boolean
  readonly put: PutSettings
  readonly encryption: Encryption
}

export interface S3HttpSettings {
  readonly idleConnTimeoutMs: number
  readonly responseHeaderTimeoutMs: number
  readonly tlsHandshakeTimeoutMs: number
  readonly maxIdleConns: number
  readonly maxIdleConnsPerHost: number
  /** 0: no limit. */
  readonly maxConnsPerHost: number
  readonly tls: {
    readonly rejectUnauthorized: boolean
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
  }
}

/** What goes with each object that is written. */
export interface PutSettings {
  readonly metadata: Readonly<Record<string, string>>
  readonly storageClass: string | undefined
  readonly acl: string | undefined
}

export type Encryption =
  | { readonly type: 'none' }
  | { readonly type: 'SSE-S3' }
  | { readonly type: 'SSE-KMS'; readonly keyId: string; readonly context: string }
  | { readonly type: 'SSE-C'; readonly key: Uint8Array }

const mebibyte = 1024 * 1024
/** Small enough to hold four parts in memory, large enough for 78 GiB in S3's 10,000 parts. */
const defaultPartSizeBytes = 8 * mebibyte
const minPartSizeBytes = 5 * mebibyte
const defaultRetries = 5

/** Throws `config`, naming the key, for one that is unknown, ill-formed or not supported. */
export function parseS3Config(config: ConfigSection): S3Settings {
  const bucket = config.string('bucket')
  const endpoint = config.string('endpoint')
  if (bucket === '') throw missing('bucket')
  if (endpoint === '') throw missing('endpoint')
  const scheme = config.boolean('insecure', false) ? 'http' : 'https'
  const amazon = amazonEndpoint(endpoint)
  const settings: S3Settings = {
    bucket,
    endpoint: amazon && scheme === 'https' ? undefined : withScheme(endpoint, scheme),
    region: config.string('region') || amazon?.region || 'us-east-1',
    dualstack: !config.boolean('disable_dualstack', false) && amazon !== undefined,
    forcePathStyle: isPathStyle(config, bucket, endpoint),
    credentials: parseCredentials(config),
    http: parseHttp(config.section('http_config')),
    listV1: config.oneOf('list_objects_version', ['', 'v1', 'v2'], '') === 'v1',
    sendContentMd5: config.boolean('send_content_md5', true),
    partSizeBytes: parsePartSize(config),
    maxAttempts: 1 + (config.count('max_retries', 0) || defaultRetries),
    trace: parseTrace(config.section('trace')),
    put: parsePut(config.map('put_user_metadata')),
    encryption: parseEncryption(config.section('sse_config')),
  }
  refuse(config, 'signature_version2', 'requests are signed with version 4')
  refuse(config, 'disable_multipart', 'large objects are written in parts')
  const stsEndpoint = config.string('sts_endpoint')
  if (stsEndpoint !== '')
    throw config.unsupported('sts_endpoint', stsEndpoint, "the SDK's own (AWS_ENDPOINT_URL_STS) is used")
  config.end()
  return settings
}

function missing(key: string): MnemoError {
  return new MnemoError('config', `cannot use the bucket configuration: config.${key} is missing`)
}

function refuse(config: ConfigSection, key: string, why: string): void {
  if (config.boolean(key, false)) throw config.unsupported(key, 'true', why)
}

function withScheme(endpoint: string, scheme: string): string {
  if (/^https?:\/\//.test(endpoint) || !URL.canParse(`${scheme}://${endpoint}`)) {
    const want = 'host or host:port (`insecure` decides between http and https)'
    throw new MnemoError(
      'config',
      `cannot use the bucket configuration: config.endpoint: got ${endpoint}, want ${want}`,
    )
  }
  return `${scheme}://${endpoint}`
}

/** Amazon's general endpoints, whose addresses the SDK knows best; others (VPC, FIPS …) are used as they are. */
function amazonEndpoint(endpoint: string): { region: string | undefined } | undefined {
  const match = /^s3(?:[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?$/.exec(endpoint)
  return match ? { region: match[1] } : undefined
}

// As Thanos's client: `auto` is virtual-hosted where the server is known to do it and the name fits a certificate.
function isPathStyle(config: ConfigSection, bucket: string, endpoint: string): boolean {
  const lookup = config.oneOf('bucket_lookup_type', ['auto', 'virtual-hosted', 'path'], 'auto')
  if (lookup !== 'auto') return lookup === 'path'
  const host = endpoint.replace(/:\d+$/, '')
  return bucket.includes('.') || !/(?:\.amazonaws\.com(?:\.cn)?|^storage\.googleapis\.com|\.aliyuncs\.com)$/.test(host)
}

function parseCredentials(config: ConfigSection): S3Settings['credentials'] {
  const accessKeyId = config.string('access_key')
  const secretAccessKey = config.string('secret_key')
  const sessionToken = config.string('session_token')
  const fromSdk = config.boolean('aws_sdk_auth', false)
  if ((accessKeyId === '') !== (secretAccessKey === ''))
    throw missing(accessKeyId === '' ? 'access_key (secret_key is there)' : 'secret_key (access_key is there)')
  if (accessKeyId === '') return undefined
  if (fromSdk) {
    const got = 'got both config.aws_sdk_auth and config.access_key'
    throw new MnemoError('config', `cannot use the bucket configuration: ${got}, want one of them`)
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) }
}

function parseHttp(http: ConfigSection): S3HttpSettings {
  const insecure = http.boolean('insecure_skip_verify', false)
  const settings = {
    idleConnTimeoutMs: http.durationMs('idle_conn_timeout', '1m30s'),
    responseHeaderTimeoutMs: http.durationMs('response_header_timeout', '2m'),
    tlsHandshakeTimeoutMs: http.durationMs('tls_handshake_timeout', '10s'),
    maxIdleConns: http.count('max_idle_conns', 100),
    maxIdleConnsPerHost: http.count('max_idle_conns_per_host', 100),
    maxConnsPerHost: http.count('max_conns_per_host', 0),
    tls: parseTls(http.section('tls_config'), insecure),
  }
  // Checked and then without effect: no request asks for 100-continue, none asks for a compressed answer.
  http.durationMs('expect_continue_timeout', '1s')
  http.boolean('disable_compression', false)
  http.end()
  return settings
}

function parseTls(tls: ConfigSection, insecure: boolean): S3HttpSettings['tls'] {
  const caFile = tls.string('ca_file')
  const certFile = tls.string('cert_file')
  const keyFile = tls.string('key_file')
  const servername = tls.string('server_name')
  const skipVerify = tls.boolean('insecure_skip_verify', false)
  tls.end()
  if ((certFile === '') !== (keyFile === ''))
    throw missing(`http_config.tls_config.${certFile === '' ? 'cert_file' : 'key_file'} (the other one is there)`)
  return {
    rejectUnauthorized: !insecure && !skipVerify,
    ...(caFile && { ca: readText(caFile, 'tls_config.ca_file') }),
    ...(certFile && { cert: readText(certFile, 'tls_config.cert_file') }),
    ...(keyFile && { key: readText(keyFile, 'tls_config.key_file') }),
    ...(servername && { servername }),
  }
}

function readText(file: string, key: string): string {
  return Buffer.from(readBytes(file, key)).toString('utf8')
}

function readBytes(file: string, key: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new MnemoError('config', `cannot read the file of ${key} in the bucket configuration: ${file}`, { cause })
  }
}

function parsePartSize(config: ConfigSection): number {
  const bytes = config.count('part_size', 0) || defaultPartSizeBytes
  if (bytes >= minPartSizeBytes) return bytes
  throw config.wrong('part_size', String(bytes), `at least ${minPartSizeBytes} bytes, the least that S3 takes`)
}

function parseTrace(trace: ConfigSection): boolean {
  const enabled = trace.boolean('enable', false)
  trace.end()
  return enabled
}

// As Thanos's client: x-amz-… are headers of the request, any other key is metadata of the object.
function parsePut(userMetadata: Map<string, string>): PutSettings {
  const metadata: Record<string, string> = {}
  let storageClass: string | undefined
  let acl: string | undefined
  for (const [key, value] of userMetadata) {
    const name = key.toLowerCase()
    if (name === 'x-amz-storage-class') storageClass = value
    else if (name === 'x-amz-acl') acl = value
    else if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = value
    else if (name.startsWith('x-amz-') || standardHeaders.has(name)) {
      const want = 'X-Amz-Storage-Class, X-Amz-Acl or names of metadata'
      throw new MnemoError('config', `cannot use the bucket configuration: put_user_metadata: got ${key}, want ${want}`)
    } else metadata[key] = value
  }
  return { metadata, storageClass, acl }
}

const standardHeaders = new Set(['content-type', 'content-encoding', 'content-disposition', 'content-language'])
  .add('cache-control')
  .add('expires')

function parseEncryption(sse: ConfigSection): Encryption {
  const type = sse.oneOf('type', ['', 'SSE-S3', 'SSE-KMS', 'SSE-C'], '')
  const keyId = sse.string('kms_key_id')
  const context = Object.fromEntries(sse.map('kms_encryption_context'))
  const keyFile = sse.string('encryption_key')
  sse.end()
  switch (type) {
    case '':
      return { type: 'none' }
    case 'SSE-S3':
      return { type }
    case 'SSE-KMS':
      if (keyId === '') throw missing('sse_config.kms_key_id')
      return { type, keyId, context: Buffer.from(JSON.stringify(context)).toString('base64') }
    case 'SSE-C': {
      if (keyFile === '') throw missing('sse_config.encryption_key')
      const key = readBytes(keyFile, 'sse_config.encryption_key')
      if (key.length === 32) return { type, key }
      throw sse.wrong('encryption_key', `a file of ${key.length} bytes`, '32')
    }
  }
}
