// Answers on the wire: the envelope {"status","data","warnings","infos"}, errors with their type and status, CORS, compression.
// Specification: Prometheus 3.14, web/api/v1/api.go (Response, respondError) and util/httputil; CORS headers as Thanos sends them.
// Owns the mapping of error codes to errorType; data arrives as bytes and is not looked into.
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { constants, deflate, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { asMnemoError, describeError, type ErrorCode, type MnemoError } from '../../../lib/kit/errors.ts'

/** A successful answer: `data` is JSON. */
export interface Answer {
  readonly data: string | readonly (string | Uint8Array)[]
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
  /** Called once the answer has been sent, or its reader has gone. */
  readonly sent?: () => void
}

const maxAnnotations = 10

/** The bytes of an answer, in parts. */
function encodeAnswer({ data, warnings = [], infos = [] }: Answer): Uint8Array[] {
  const parts = [
    '{"status":"success","data":',
    ...(typeof data === 'string' ? [data] : data),
    annotations('warnings', 'warning', warnings),
    annotations('infos', 'info', infos),
    '}',
  ]
  return parts.filter((part) => part.length > 0).map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
}

// A query over thousands of series may warn of each: the first few say it.
function annotations(field: string, name: string, texts: readonly string[]): string {
  if (texts.length === 0) return ''
  const omitted = texts.length - maxAnnotations
  const shown = omitted > 0 ? [...texts.slice(0, maxAnnotations), `${omitted} more ${name} annotations omitted`] : texts
  return `,"${field}":${JSON.stringify(shown)}`
}

type ErrorType = 'timeout' | 'canceled' | 'execution' | 'bad_data' | 'internal' | 'unavailable' | 'not_found'

const errorTypes: Readonly<Record<ErrorCode, ErrorType>> = {
  bad_data: 'bad_data',
  config: 'internal',
  execution: 'execution',
  unsupported: 'execution',
  timeout: 'timeout',
  canceled: 'canceled',
  not_found: 'not_found',
  already_exists: 'internal',
  resource_exhausted: 'execution',
  unavailable: 'unavailable',
  corrupt: 'internal',
  internal: 'internal',
}

/** What is wrong with a request stands in its message; what is wrong with us is worth its causes. */
const selfExplaining = new Set<ErrorCode>(['bad_data', 'execution', 'unsupported', 'timeout', 'canceled'])

function encodeError(error: MnemoError): Buffer {
  const text = selfExplaining.has(error.code) ? error.message : describeError(error)
  return Buffer.from(JSON.stringify({ status: 'error', errorType: errorTypes[error.code], error: text }))
}

const corsHeaders = {
  'Access-Control-Allow-Headers': 'Accept, Accept-Encoding, Authorization, Content-Type, Origin',
  'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Date',
}

export function setCors(reply: FastifyReply): void {
  reply.headers(corsHeaders)
}

/** Sends an answer. One with warnings may be incomplete: no cache on the way should keep it. */
export async function sendAnswer(request: FastifyRequest, reply: FastifyReply, answer: Answer): Promise<FastifyReply> {
  if (answer.warnings && answer.warnings.length > 0) reply.header('Cache-Control', 'no-store')
  return send(request, reply, encodeAnswer(answer))
}

/** Sends an error with its type's status. */
export async function sendError(request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<FastifyReply> {
  const known = asMnemoError(error)
  reply.code(known.httpStatus).header('Cache-Control', 'no-store')
  return send(request, reply, [encodeError(known)])
}

async function send(request: FastifyRequest, reply: FastifyReply, parts: readonly Uint8Array[]): Promise<FastifyReply> {
  reply.header('Content-Type', 'application/json').header('Vary', 'Accept-Encoding')
  const compression = chooseCompression(request.headers['accept-encoding'])
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (!compression || length < minCompressedBytes) {
    if (length < minStreamedBytes) return reply.send(Buffer.concat(parts))
    return reply.header('Content-Length', length).send(Readable.from(parts))
  }
  const compressed = await compression.compress(Buffer.concat(parts), { level: constants.Z_BEST_SPEED })
  return reply.header('Content-Encoding', compression.name).send(compressed)
}

/** Smaller answers fit one packet anyhow. */
const minCompressedBytes = 1024
/** Larger ones go out as the worker made them: to join the parts would take as much memory once more. */
const minStreamedBytes = 256 << 10

const compressions = new Map([
  ['gzip', { name: 'gzip', compress: promisify<Buffer, { level: number }, Buffer>(gzip) }],
  ['deflate', { name: 'deflate', compress: promisify<Buffer, { level: number }, Buffer>(deflate) }],
])

/** The first one of the client's list that we have; one with q=0 is refused. */
function chooseCompression(header: string | string[] | undefined) {
  const list = Array.isArray(header) ? header.join(',') : (header ?? '')
  for (const item of list.split(',')) {
    const [name, ...parameters] = item.split(';').map((part) => part.trim())
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    const known = refused ? undefined : compressions.get(name ?? '')
    if (known) return known
  }
  return undefined
}
