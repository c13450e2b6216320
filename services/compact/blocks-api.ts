// HTTP: /api/v1/blocks and /api/v1/blocks/mark, and the page of blocks at /loaded and /global.
// Specification: Thanos pkg/api/blocks/v1.go: answers, parameters and errors; what was set aside, and why, is ours.
// Owns the routes; what they show is block-views.ts's, the page blocks-page.ts's.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isUlid } from '../../lib/blocks/block-name.ts'
import { type Mark, type MarkKind, putMark } from '../../lib/blocks/markers.ts'
import { type BlockMeta, metaFileName } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { asMnemoError, describeError, MnemoError } from '../../lib/kit/errors.ts'
import type { Logger } from '../../lib/kit/log.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import type { BlockViews, ShownView, ViewName } from './block-views.ts'
import { blocksPage } from './blocks-page.ts'
import type { CompactConfig } from './config.ts'

export interface BlockRoutesParts {
  readonly bucket: Bucket
  readonly views: BlockViews
  readonly logger: Logger
}

const maxBodyBytes = 64 * 1024

/** What adds the routes to a server. */
export function blockRoutes(
  config: Pick<CompactConfig, 'webLabel' | 'webDisableCors' | 'disableAdminOperations'>,
  { bucket, views, logger }: BlockRoutesParts,
): (app: FastifyInstance) => void {
  return (app) => {
    const parse = { parseAs: 'string', bodyLimit: maxBodyBytes } as const
    app.addContentTypeParser('application/x-www-form-urlencoded', parse, (_request, body, done) => done(null, body))
    app.setErrorHandler((error, _request, reply) => sendError(reply, error))
    if (!config.webDisableCors)
      app.addHook('onRequest', async (_request, reply) => {
        reply.headers(corsHeaders)
      })

    app.get('/', (_request, reply) => reply.redirect('loaded'))
    for (const name of ['loaded', 'global'] as const)
      app.get(`/${name}`, (_request, reply) =>
        reply.type('text/html; charset=utf-8').send(blocksPage(name, views.show(name), config.webLabel)),
      )
    app.get('/api/v1/blocks', { config: { handler: 'blocks' } }, (request, reply) => {
      const { view } = request.query as { view?: string }
      const name: ViewName = view === 'loaded' ? 'loaded' : 'global'
      return reply.send({ status: 'success', data: blocksInfo(views.show(name), config.webLabel) })
    })
    app.post('/api/v1/blocks/mark', { config: { handler: 'blocks_mark' } }, async (request, reply) => {
      if (config.disableAdminOperations) throw new MnemoError('bad_data', 'Admin operations are disabled')
      const { ulid, kind, details } = markRequest(request)
      if (!(await bucket.exists(`${ulid}/${metaFileName}`)))
        throw new MnemoError('bad_data', `cannot mark block ${ulid}: the bucket has no such block`)
      const isNew = await putMark(bucket, ulid, kind, { details })
      logger.info({ block: ulid, mark: kind, details, isNew }, 'marked block by request')
      return reply.send({ status: 'success' })
    })
  }
}

const corsHeaders = {
  'Access-Control-Allow-Headers': 'Accept, Accept-Encoding, Authorization, Content-Type, Origin',
  'Access-Control-Allow-Methods': 'GET, OPTIONS',
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Date',
}

const kinds = new Map<string, MarkKind>([
  ['DELETION', 'deletion'],
  ['NO_COMPACTION', 'no-compact'],
])

/** Throws `bad_data`. Parameters come as a form or in the query, the form first. */
function markRequest(request: FastifyRequest): { ulid: string; kind: MarkKind; details: string } {
  // A page of another site could send such a form from within the user's browser.
  if (request.headers['sec-fetch-site'] === 'cross-site')
    throw new MnemoError('bad_data', 'cannot mark a block: got a request of another site')
  const form = new URLSearchParams(typeof request.body === 'string' ? request.body : '')
  const query = new URL(request.url, 'http://host').searchParams
  const value = (name: string) => form.get(name) ?? query.get(name) ?? ''
  const [ulid, action] = [value('id'), value('action')]
  if (ulid === '') throw new MnemoError('bad_data', 'ID cannot be empty')
  if (action === '') throw new MnemoError('bad_data', 'Action cannot be empty')
  if (!isUlid(ulid)) throw new MnemoError('bad_data', `ULID ${JSON.stringify(ulid)} is not valid`)
  const kind = kinds.get(action)
  if (!kind) throw new MnemoError('bad_data', `not supported marker ${action}`)
  return { ulid, kind, details: value('detail') }
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  const known =
    typeof status === 'number' && status < 500
      ? new MnemoError('bad_data', (error as Error).message, { cause: error })
      : asMnemoError(error)
  const isBad = known.code === 'bad_data'
  const errorType = isBad ? 'bad_data' : 'internal'
  const text = isBad ? known.message : describeError(known)
  return reply.code(isBad ? 400 : known.httpStatus).send({ status: 'error', errorType, error: text })
}

/** Thanos's BlocksInfo, with the marks, and the blocks that are not in view. */
function blocksInfo({ view, refreshedMs, error }: ShownView, label: string): unknown {
  const marksOf = (marks: ReadonlyMap<string, Mark> | undefined) => [...(marks?.values() ?? [])].map(markJson)
  return {
    label,
    blocks: [...(view?.metas.values() ?? [])].map(metaJson),
    refreshedAt: refreshedMs === 0 ? '0001-01-01T00:00:00Z' : new Date(refreshedMs).toISOString(),
    err: error ?? null,
    setAside: [...marksOf(view?.noCompactMarks), ...marksOf(view?.noDownsampleMarks)],
    deletionMarks: marksOf(view?.deletionMarks),
    partial: [...(view?.partial.values() ?? [])].map(({ ulid, reason }) => ({
      id: ulid,
      reason: describeError(reason),
    })),
    unsupported: [...(view?.unsupported ?? [])].map(([id, reason]) => ({ id, reason: describeError(reason) })),
  }
}

function markJson({ ulid, kind, reason, details, timeMs }: Mark): unknown {
  return { id: ulid, mark: kind, reason, details, time: new Date(timeMs).toISOString() }
}

/** A meta never changes: its JSON is made once. */
const metaJsons = new WeakMap<BlockMeta, unknown>()

function metaJson(meta: BlockMeta): unknown {
  const known = metaJsons.get(meta)
  if (known) return known
  const json: unknown = JSON.parse(formatMeta(meta))
  metaJsons.set(meta, json)
  return json
}
