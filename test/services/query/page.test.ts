// The front page shows the stores, and nothing of what they say is taken for HTML.
import { expect, test } from 'vitest'
import { renderPage } from '../../../services/query/page.ts'

const status = {
  name: 'a:1',
  lastCheck: '2026-01-01T00:00:00Z',
  lastError: null,
  labelSets: [],
  minTime: 0,
  maxTime: 1,
}

test('stores with their state, labels and times', () => {
  const html = renderPage({ store: [{ ...status, labelSets: [['cluster', 'x']], maxTime: Number.MAX_SAFE_INTEGER }] })
  expect(html).toContain('<td>a:1<td>store<td>up<td>{cluster=&#34;x&#34;}<td>1970-01-01T00:00:00.000Z<td></tr>')
})

test('text is escaped', () => {
  const html = renderPage({ store: [{ ...status, lastError: '<script>' }] })
  expect(html).not.toContain('<script>')
  expect(html).toContain('down: &#60;script&#62;')
})

test('no store', () => {
  expect(renderPage({})).toContain('None is known')
})
