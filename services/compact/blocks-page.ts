// The page of blocks: groups by labels, each block's time as a bar, its figures, and why it was set aside. Plain HTML, no script.
// Owns the markup; every text from the bucket is escaped.
import type { Mark } from '../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import type { BucketView } from '../../lib/compact/block-sync.ts'
import { blockBytes } from '../../lib/compact/forecast.ts'
import { formatDurationMs } from '../../lib/kit/duration.ts'
import { describeError, type MnemoError } from '../../lib/kit/errors.ts'
import { formatLabels, labelValue } from '../../lib/labels/labels.ts'
import type { ShownView, ViewName } from './block-views.ts'

const style = `
body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1d2530}
nav a{margin-right:1rem}nav a[aria-current]{font-weight:600;color:inherit;text-decoration:none}
h2{font-size:1rem;margin:1.5rem 0 .3rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.15rem .6rem;border-bottom:1px solid #e3e7ec;white-space:nowrap}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}td.why{white-space:normal;overflow-wrap:anywhere;min-width:10rem}
td.time{width:14%;min-width:6rem}.lane{position:relative;height:.8rem;background:#f1f3f6}
.lane i{position:absolute;top:0;bottom:0;min-width:2px;background:#4c8dd6}.r300000 i{background:#3a9d6e}.r3600000 i{background:#a76bc0}
code{font-size:12px}.error{color:#a3261b}`

/** The page of one of the two views; with `label` the groups are that external label's values. */
export function blocksPage(name: ViewName, { view, refreshedMs, error }: ShownView, label: string): string {
  const link = (to: ViewName, text: string) => `<a href="${to}"${to === name ? ' aria-current="page"' : ''}>${text}</a>`
  const when = refreshedMs === 0 ? 'not read yet' : `read at ${new Date(refreshedMs).toISOString()}`
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Blocks: ${name}</title><style>${style}</style></head><body>
<nav>${link('loaded', "The compactor's blocks")}${link('global', 'All blocks of the bucket')}</nav>
<p>${view?.metas.size ?? 0} blocks, ${when}${error === undefined ? '' : `, <span class="error">then: ${escaped(error)}</span>`}</p>
${view ? [...groups(view, label), ...notInView(view)].join('\n') : ''}
</body></html>\n`
}

function groups(view: BucketView, label: string): string[] {
  const titleOf = ({ thanos: { labels } }: BlockMeta) =>
    label === '' ? formatLabels(labels) : `${label}="${labelValue(labels, label)}"`
  const byTitle = Map.groupBy(view.metas.values(), titleOf)
  return [...byTitle].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, blocks]) => group(title, blocks, view))
}

const columns = ['from', 'to'].map((text) => `<th>${text}</th>`).join('')
const numbers = ['spans', 'level', 'series', 'samples', 'bytes']
  .map((text) => `<th class="number">${text}</th>`)
  .join('')

function group(title: string, blocks: BlockMeta[], view: BucketView): string {
  const minTime = Math.min(...blocks.map((block) => block.minTime))
  const maxTime = Math.max(...blocks.map((block) => block.maxTime))
  const rows = blocks
    .sort((a, b) => a.thanos.resolutionMs - b.thanos.resolutionMs || a.minTime - b.minTime)
    .map((block) => row(block, { minTime, spanMs: Math.max(1, maxTime - minTime) }, view))
  return `<h2>${escaped(title)}</h2><table><tr><th>block</th><th>time</th>${columns}<th>resolution</th>${numbers}<th>source</th><th>marks</th></tr>
${rows.join('\n')}</table>`
}

function row(block: BlockMeta, whole: { readonly minTime: number; readonly spanMs: number }, view: BucketView): string {
  const { ulid, minTime, maxTime, stats, compaction, thanos } = block
  const percent = (ms: number) => `${((ms / whole.spanMs) * 100).toFixed(2)}%`
  const bar = `<div class="lane"><i style="left:${percent(minTime - whole.minTime)};width:${percent(maxTime - minTime)}"></i></div>`
  const number = (value: number | string) => `<td class="number">${value.toLocaleString('en')}</td>`
  const resolution = thanos.resolutionMs === 0 ? 'raw' : formatDurationMs(thanos.resolutionMs)
  return [
    `<tr><td><code>${ulid}</code></td><td class="time r${thanos.resolutionMs}">${bar}</td>`,
    `<td>${iso(minTime)}</td><td>${iso(maxTime)}</td><td>${resolution}</td>`,
    number(formatDurationMs(maxTime - minTime)),
    [compaction.level, stats.numSeries, stats.numSamples, blockBytes(block)].map(number).join(''),
    `<td>${escaped(thanos.source)}</td><td class="why">${marks(ulid, view)}</td></tr>`,
  ].join('')
}

function marks(ulid: string, view: BucketView): string {
  const found = [view.noCompactMarks, view.noDownsampleMarks, view.deletionMarks].flatMap(
    (kind) => kind.get(ulid) ?? [],
  )
  return found.map(describeMark).join('<br>')
}

function describeMark({ kind, reason, details }: Mark): string {
  return escaped([kind, reason, details].filter((text) => text !== '').join(': '))
}

function notInView({ partial, unsupported }: BucketView): string[] {
  const partialReasons = [...partial.values()].map(({ ulid, reason }) => [ulid, reason] as const)
  return [...reasons('Partial blocks', partialReasons), ...reasons('Blocks of another version', [...unsupported])]
}

function reasons(title: string, blocks: readonly (readonly [ulid: string, reason: MnemoError])[]): string[] {
  if (blocks.length === 0) return []
  const rows = blocks.map(
    ([ulid, reason]) => `<tr><td><code>${ulid}</code></td><td class="why">${escaped(describeError(reason))}</td></tr>`,
  )
  return [`<h2>${title}</h2><table>${rows.join('\n')}</table>`]
}

function iso(timeMs: number): string {
  return Math.abs(timeMs) > 8.64e15 ? `${timeMs} ms` : new Date(timeMs).toISOString().replace(/(:00)?\.000Z$/, 'Z')
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
])

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities.get(character)!)
}
