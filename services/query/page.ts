// The querier's front page: what this is, where its API is, and the stores it knows, as plain HTML without scripts.
// Owns the page; the data is that of /api/v1/stores.
import { version } from '../../lib/kit/version.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import type { EndpointStatus } from '../../lib/storeapi/endpoint-set.ts'

/** Relative, so that the page works below any prefix. */
const links = [
  ['api/v1/query?query=up', 'an instant query'],
  ['api/v1/labels', 'label names'],
  ['api/v1/rules', 'rules'],
  ['api/v1/targets', 'targets'],
  ['api/v1/stores', 'stores'],
  ['api/v1/status/buildinfo', 'build'],
  ['api/v1/status/flags', 'flags'],
] as const
/** At the root alone, which a proxy may keep to itself. */
const rootLinks = [
  ['metrics', 'metrics'],
  ['-/ready', 'readiness'],
] as const

export interface PageOptions {
  /** Whether the page has no prefix. */
  readonly isAtRoot: boolean
}

/** Times beyond this are no bound, not dates. */
const lastDateMs = 8.64e15

export function renderPage(
  stores: Readonly<Record<string, readonly EndpointStatus[]>>,
  { isAtRoot }: PageOptions = { isAtRoot: true },
): string {
  const shown = isAtRoot ? [...links, ...rootLinks] : links
  const rows = Object.entries(stores).flatMap(([type, statuses]) => statuses.map((status) => row(type, status)))
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Mnemo querier</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top }
.down { color: #b00020 }
</style>
<h1>Mnemo querier</h1>
<p>Answers PromQL over long-term storage for Prometheus, version ${escapeHtml(version)}.
Give Grafana this address as a Prometheus data source.</p>
<p>${shown.map(([path, text]) => `<a href="${escapeHtml(path)}">${escapeHtml(text)}</a>`).join(' · ')}</p>
<h2>Stores</h2>
<table>
<tr><th>Address<th>Type<th>State<th>Labels<th>From<th>To</tr>
${rows.join('\n')}
</table>
${rows.length === 0 ? '<p>None is known: stores are given by --endpoint.</p>' : ''}
</html>
`
}

function row(type: string, { name, lastError, labelSets, minTime, maxTime }: EndpointStatus): string {
  const state = lastError === null ? 'up' : `<span class="down">down: ${escapeHtml(lastError)}</span>`
  const labels = labelSets.map((set) => escapeHtml(formatLabels(set))).join('<br>')
  const cells = [escapeHtml(name), escapeHtml(type), state, labels, formatTime(minTime), formatTime(maxTime)]
  return `<tr>${cells.map((cell) => `<td>${cell}`).join('')}</tr>`
}

function formatTime(timeMs: number): string {
  return Math.abs(timeMs) >= lastDateMs ? '' : new Date(timeMs).toISOString()
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
