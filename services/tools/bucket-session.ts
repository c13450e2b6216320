// What the bucket tools share: the bucket of the flags, ULIDs of --id, which of the bucket's blocks are meant.
// Flags are Thanos's; a ULID that is none, or a block that is not there, is told in one line.
// Owns nothing: the service's context closes the bucket.

import { isUlid } from '../../lib/blocks/block-name.ts'
import { type FetchedBlocks, MetaFetcher, type MetaFilter } from '../../lib/blocks/fetcher.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { durationFlag, intFlag, stringsFlag, type TimeOrDuration, timeFlag } from '../../lib/kit/flags.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket, type ObjstoreFlagValues, requireObjstoreConfig } from '../../lib/objstore/config.ts'
import { heldLeases } from '../../lib/objstore/lease.ts'

/** The bucket of the flags that begin with `prefix`, closed when the tool ends; metrics are those of the first one alone. */
export async function openBucket(
  values: ObjstoreFlagValues,
  ctx: ServiceContext,
  prefix = 'objstore',
): Promise<Bucket> {
  const { logger, registry } = ctx
  const config = requireObjstoreConfig(values, prefix)
  const bucket = await createBucket(config, prefix === 'objstore' ? { registry, logger } : { logger })
  ctx.onStop(`${prefix} bucket`, () => bucket.close())
  return bucket
}

/** The bucket's blocks that no filter takes out; partial ones are told in the log. */
export async function fetchBlocks(
  bucket: Bucket,
  { logger, registry, signal }: Pick<ServiceContext, 'logger' | 'registry' | 'signal'>,
  filters: readonly MetaFilter[] = [],
  concurrency = 32,
): Promise<FetchedBlocks> {
  return tellPartial(await new MetaFetcher({ bucket, filters, concurrency, logger, registry }).fetch(signal), logger)
}

/** The same blocks, after the log has named those that are not whole. */
export function tellPartial(fetched: FetchedBlocks, logger: Logger): FetchedBlocks {
  for (const { ulid, reason } of fetched.partial.values()) logger.warn({ block: ulid, err: reason }, 'partial block')
  return fetched
}

/** Throws `unavailable` while a compactor works on the bucket: what it reads must not be changed under it. */
export async function refuseBesideCompactor(bucket: Bucket, { logger, signal }: ServiceContext): Promise<void> {
  const [first] = await heldLeases({ bucket, logger, signal })
  if (first === undefined) return
  const got = `got a lease of ${first.holder}, renewed ${Math.round(first.ageMs / 1000)}s ago`
  throw new MnemoError('unavailable', `cannot change blocks beside a compactor: ${got}; stop it first`)
}

export const metaTimeoutFlag = durationFlag('timeout', {
  help: 'Timeout to download metadata from remote storage.',
  default: '5m',
})

/** --min-time and --max-time over blocks; `verb` completes "blocks to". */
export function timeRangeFlags(verb: string) {
  const forms = 'A time in RFC 3339 or a duration relative to now, such as -1d or -2h45m.'
  return {
    minTime: timeFlag('min-time', {
      help: `Start of the time range of blocks to ${verb}. ${forms}`,
      default: '0000-01-01T00:00:00Z',
    }),
    maxTime: timeFlag('max-time', {
      help: `End of the time range of blocks to ${verb}. ${forms}`,
      default: '9999-12-31T23:59:59Z',
    }),
  }
}

export interface TimeRangeValues {
  readonly minTime: TimeOrDuration
  readonly maxTime: TimeOrDuration
}

/** The repeated --id. */
export function idsFlag(help: string) {
  return stringsFlag('id', { help: `${help} Repeated field.` })
}

/** Throws `config` for an --id that is no ULID. */
export function checkIds(ids: readonly string[]): readonly string[] {
  const wrong = ids.find((id) => !isUlid(id))
  if (wrong !== undefined) throw new MnemoError('config', `cannot use --id=${wrong}: want the ULID of a block`)
  return [...new Set(ids)]
}

/** The blocks of the ids, or all; ascending in time. Throws `not_found` for an id that no whole block in view has. */
export function chooseBlocks({ metas, partial, unsupported }: FetchedBlocks, ids: readonly string[]): BlockMeta[] {
  const missing = ids.find((id) => !metas.has(id))
  if (missing !== undefined) {
    const cause = partial.get(missing)?.reason ?? unsupported.get(missing)
    throw new MnemoError('not_found', `cannot use block ${missing}: the bucket has no such whole block in view`, {
      ...(cause && { cause }),
    })
  }
  const chosen = ids.length === 0 ? [...metas.values()] : ids.map((id) => metas.get(id)!)
  return chosen.sort((a, b) => a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1))
}

/** What tools have that delete, or mark for deletion, as the compactor does. */
export const deletionFlags = {
  deleteDelayMs: durationFlag('delete-delay', {
    help: 'Time before a block marked for deletion is deleted from bucket.',
    default: '48h',
  }),
  consistencyDelayMs: durationFlag('consistency-delay', {
    help: 'Minimum age of fresh (non-compacted) blocks before they are being processed.',
    default: '30m',
  }),
  blockSyncConcurrency: intFlag('block-sync-concurrency', {
    help: 'How many block metas are read side by side.',
    default: 20,
  }),
}
