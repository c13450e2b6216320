// Rows as text: a table that is also Markdown, tab separated or comma separated values, JSON.
// Form: `thanos tools bucket inspect` (tablewriter's and Go's encoding/csv's).
// Owns the padding and the quoting.

export const tableFormats = ['table', 'tsv', 'csv'] as const
export type TableFormat = (typeof tableFormats)[number]

/** The rows below their header, each line ended. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  format: TableFormat = 'table',
): string {
  if (format === 'table') return formatAligned(header, rows)
  const separator = format === 'csv' ? ',' : '\t'
  return [header, ...rows].map((row) => `${row.map((cell) => quoted(cell, separator)).join(separator)}\n`).join('')
}

function formatAligned(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, i) => rows.reduce((most, row) => Math.max(most, row[i]!.length), name.length))
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return [
    line(header.map((name, i) => centered(name, widths[i]!))),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|\n`,
    ...rows.map((row) => line(row.map((cell, i) => cell.padEnd(widths[i]!)))),
  ].join('')
}

function centered(text: string, width: number): string {
  return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width)
}

function quoted(cell: string, separator: string): string {
  const isPlain = !cell.includes(separator) && !/["\r\n]/.test(cell) && !/^\s/.test(cell)
  return isPlain ? cell : `"${cell.replaceAll('"', '""')}"`
}

/** 1,234,567 */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** 1.5MiB */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)}${units[power]}`
}
