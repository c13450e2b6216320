// `mnemo compact --dry-run`: what a run would do, as lines for people; nothing is written.
// Owns the text; the plan is lib/compact/forecast.ts's.
import type { BucketView } from '../../lib/compact/block-sync.ts'
import { blockBytes, type ForecastCompaction, type ForecastOptions, forecast } from '../../lib/compact/forecast.ts'
import type { MergeReason } from '../../lib/compact/plan.ts'

/** What a run would do to the bucket of the view. */
export function describePlan(view: BucketView, options: ForecastOptions): string {
  const plan = forecast(view, options)
  const compacted = plan.compactions.reduce((sum, { estimatedBytes }) => sum + estimatedBytes, 0)
  const downsampled = plan.downsamplings.reduce((sum, { meta }) => sum + blockBytes(meta), 0)
  const marked = [
    ...plan.deletionMarks.map(({ meta, reason }) => `  ${meta.ulid} ${times(meta)}: beyond the ${reason}`),
    ...plan.duplicates.map((ulid) => `  ${ulid}: another block covers its sources`),
  ]
  return [
    `blocks in view: ${view.metas.size}; a run would`,
    ...section(`compact, ${plan.compactions.length} times, about ${size(compacted)} to read`, [
      ...plan.compactions.flatMap(describeCompaction),
    ]),
    ...section(
      `set aside, with a no-compact mark, ${blocks(plan.setAside.length)}`,
      plan.setAside.map(({ meta, reason }) => `  ${meta.ulid} ${times(meta)}: ${reason}`),
    ),
    ...section(
      `downsample ${blocks(plan.downsamplings.length)}, about ${size(downsampled)} to read`,
      plan.downsamplings.map(
        ({ meta, resolutionMs }) =>
          `  ${meta.ulid} ${times(meta)} to ${resolution(resolutionMs)}, ${size(blockBytes(meta))}`,
      ),
    ),
    ...section(`mark ${blocks(marked.length)} for deletion`, marked),
    ...section(
      `delete ${blocks(plan.deletions.length)}`,
      plan.deletions.map(
        ({ ulid, reason }) => `  ${ulid}: ${reason === 'marked' ? 'marked long enough ago' : 'never finished'}`,
      ),
    ),
    'Downsampling and deletion are of the blocks that are there now; what compaction makes comes on top.',
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [`${title}`] : [`${title}:`, ...lines]
}

const reasons: Readonly<Record<MergeReason, string>> = {
  overlap: 'they share time',
  range: 'they fill a range',
  tombstones: 'much of it is deleted',
}

function describeCompaction({ group, reason, inputs, estimatedBytes }: ForecastCompaction): string[] {
  const whole = {
    minTime: Math.min(...inputs.map(({ minTime }) => minTime)),
    maxTime: Math.max(...inputs.map(({ maxTime }) => maxTime)),
  }
  return [
    `  ${blocks(inputs.length)} of ${group} to ${times(whole)}, ${size(estimatedBytes)}: ${reasons[reason]}`,
    ...inputs.map((input) => `    ${input.ulid ?? '(to be made above)'.padEnd(26)} ${times(input)}`),
  ]
}

function times({ minTime, maxTime }: { readonly minTime: number; readonly maxTime: number }): string {
  return `${iso(minTime)} to ${iso(maxTime)}`
}

function iso(timeMs: number): string {
  if (Math.abs(timeMs) > 8.64e15) return `${timeMs} ms`
  return new Date(timeMs).toISOString().replace(/:00\.000Z$|\.000Z$/, 'Z')
}

function resolution(resolutionMs: number): string {
  return resolutionMs === 300_000 ? '5m' : '1h'
}

function blocks(count: number): string {
  return count === 1 ? '1 block' : `${count} blocks`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

function size(bytes: number): string {
  let unit = 0
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024
    unit++
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`
}
