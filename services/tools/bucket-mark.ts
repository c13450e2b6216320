// `mnemo tools bucket mark`: puts a mark on blocks, or takes it away.
// Flags: Thanos cmd/thanos/tools_bucket.go (mark). Unlike there, a block that is not in the bucket is an error: a mark alone
// would make one that is never whole. Owns the command; marks are lib/blocks/markers.ts.
import { type MarkKind, markFileNames, putMark, removeMark } from '../../lib/blocks/markers.ts'
import { metaFileName } from '../../lib/blocks/meta.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, enumFlag, type FlagValues, stringFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { checkIds, idsFlag, openBucket } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'

const markers = Object.values(markFileNames)

const flags = {
  ...toolFlags,
  ids: idsFlag('ID (ULID) of the blocks to be marked.'),
  marker: enumFlag('marker', markers, { help: `Marker to be put: ${markers.join(', ')}.`, required: true }),
  details: stringFlag('details', { help: 'Human readable details to be put into marker.', default: '' }),
  remove: boolFlag('remove', { help: 'Remove the marker.' }),
}

export function bucketMark(argv: string[]): Promise<void> {
  const summary =
    'Marks blocks for deletion, or to be left out of compaction or downsampling. A compactor that is working on a block finishes that first.'
  return runService({ name: 'tools bucket mark', summary, flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal } = ctx
  const { marker, details, remove } = values
  const ids = checkIds(values.ids)
  if (ids.length === 0) throw new MnemoError('config', 'cannot mark blocks: flag --id is missing')
  if (!remove && details === '')
    throw new MnemoError('config', 'cannot mark blocks: flag --details is missing, want why they are marked')
  const kind = Object.entries(markFileNames).find(([, name]) => name === marker)![0] as MarkKind
  const bucket = await openBucket(values, ctx)
  const missing: string[] = []
  for (const block of ids) {
    if (remove) {
      const isThere = await bucket.exists(`${block}/${marker}`, signal)
      await removeMark(bucket, block, kind, signal)
      logger.info({ block, marker }, isThere ? 'removed the mark' : 'the block has no such mark')
    } else if (!(await bucket.exists(`${block}/${metaFileName}`, signal))) {
      missing.push(block)
      logger.error({ block, marker }, 'not marked: the bucket has no such block')
    } else {
      const isNew = await putMark(bucket, block, kind, { details, signal })
      logger.info({ block, marker }, isNew ? 'marked block' : 'the block has this mark already, which stays as it is')
    }
  }
  if (missing.length > 0) throw new MnemoError('not_found', `cannot mark ${missing.join(', ')}: no such block`)
}
