// The provisioned dashboard and data source: they fit each other, and every query asks for metrics that the services have.
// Specification: Grafana's dashboard model (schemaVersion 39) and provisioning files, apiVersion 1.
// Owns nothing; docs/reference.md is held to the running services by its own test.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseExpr } from '../../lib/promql/parse/parser.ts'

const read = (file: string) => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
const folder = 'deploy/compose/grafana'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly datasource?: { readonly type: string; readonly uid: string }
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

const dashboard = JSON.parse(read(`${folder}/dashboards/mnemo.json`)) as { uid: string; title: string; panels: Panel[] }
const graphs = dashboard.panels.filter(({ type }) => type !== 'row')
const queries = graphs.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => [title, expr] as const))

describe('the dashboard', () => {
  test('tells latency, traffic, errors and saturation of each service', () => {
    for (const service of ['Querier', 'Store', 'Sidecars', 'Compactor', 'Prometheus'])
      for (const signal of ['latency', 'traffic', 'errors', 'saturation'])
        expect(graphs.map(({ title }) => title)).toContain(`${service}: ${signal}`)
  })

  test('asks the provisioned data source; ids are unique, no panel leaves the grid', () => {
    const { datasources } = parse(read(`${folder}/datasources/mnemo.yml`)) as {
      datasources: { uid: string; type: string }[]
    }
    for (const { datasource } of graphs)
      expect(datasource).toEqual({ type: datasources[0]!.type, uid: datasources[0]!.uid })
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })

  test.each(queries)('%s: %s', (_title, expr) => {
    parseExpr(expr.replaceAll('$__rate_interval', '1m'))
    const known = read('docs/reference.md')
    const names = expr.match(/\b(thanos|grpc|http|mnemo)_\w+(?=[{[ ]|$)/g) ?? []
    for (const name of names) {
      const family = name.replace(/_(bucket|sum|count)$/, '')
      if (!name.startsWith('grpc_method') && !name.startsWith('grpc_code')) expect(known).toContain(family)
    }
  })
})
