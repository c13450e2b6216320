// What the S3 SDK throws, as the errors of a Bucket.
// Specification: S3 API reference, "Error responses"; Ceph's gateway and MinIO answer with the same codes.
// Owns the mapping; the server's own code and request id stay in the message for whoever has to look it up.
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import { systemCode } from '../kit/system-errors.ts'
import { abortError } from './failures.ts'

interface S3Failure {
  readonly name: string
  readonly status: number | undefined
  readonly requestId: string | undefined
}

/** The error of a request; `what` completes "cannot …". */
export function s3Error(error: unknown, what: string, signal?: AbortSignal): MnemoError {
  if (error instanceof MnemoError) return error
  if (signal?.aborted) return abortError(signal, what)
  const failure = describe(error)
  const status = failure.status === undefined ? '' : ` (status ${failure.status})`
  const request = failure.requestId === undefined ? '' : `, request ${failure.requestId}`
  const message = `cannot ${what}: got ${failure.name}${status}${request}`
  return new MnemoError(codeOf(failure, error), message, { cause: error })
}

/** How often the SDK sent the request, its retries included. */
export function attemptsOf(error: unknown): number {
  return metadataOf(error)?.attempts ?? 1
}

/** The HTTP status of the server's answer, where there was one. */
export function statusOf(error: unknown): number | undefined {
  return metadataOf(error)?.httpStatusCode
}

// A wrong bucket, key or permission does not pass by waiting, and is a matter of configuration.
const configurationErrors = new Set(['NoSuchBucket', 'AccessDenied', 'InvalidAccessKeyId', 'SignatureDoesNotMatch'])
  .add('InvalidBucketName')
  .add('CredentialsProviderError')
  .add('AuthorizationHeaderMalformed')
const passingErrors = new Set(['SlowDown', 'RequestTimeout', 'TimeoutError', 'InternalError', 'ServiceUnavailable'])
  .add('OperationAborted')
  .add('ConditionalRequestConflict')

// Node's codes for a certificate that it refuses: a matter of http_config.tls_config, or of the server's.
const certificateErrors = /^(?:(?:CERT|UNABLE_TO_(?:GET|VERIFY|DECRYPT|DECODE)|SELF_SIGNED|DEPTH_ZERO)_|ERR_TLS_CERT_)/

function codeOf({ name, status }: S3Failure, error: unknown): ErrorCode {
  if (certificateErrors.test(systemCode(error) ?? '')) return 'config'
  if (configurationErrors.has(name) || status === 401 || status === 403) return 'config'
  if (status === 404) return 'not_found'
  if (status === 412) return 'already_exists'
  if (status === 501) return 'unsupported'
  if (passingErrors.has(name) || status === 429 || status === 409 || (status !== undefined && status >= 500))
    return 'unavailable'
  // No answer at all: the connection could not be made, or broke.
  return status === undefined && systemCode(error) !== undefined ? 'unavailable' : 'internal'
}

function describe(error: unknown): S3Failure {
  const metadata = metadataOf(error)
  const isNamed = error instanceof Error && error.name !== 'Error'
  return {
    name: isNamed ? error.name : (systemCode(error) ?? (error instanceof Error ? error.message : String(error))),
    // 200 with a body that could not be read is no answer.
    status: metadata?.httpStatusCode === 200 ? undefined : metadata?.httpStatusCode,
    requestId: metadata?.requestId,
  }
}

interface Metadata {
  readonly httpStatusCode?: number
  readonly requestId?: string
  readonly attempts?: number
}

function metadataOf(error: unknown): Metadata | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return error.$metadata as Metadata
}
