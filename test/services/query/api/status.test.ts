// What the querier says of itself, in the forms of Prometheus 3.14.
// Subject: services/query/api/status.ts. The names of features are those that a real Prometheus 3.14 lists.
import { expect, test } from 'vitest'
import { parseFlags } from '../../../../lib/kit/flags.ts'
import { createLogger } from '../../../../lib/kit/log.ts'
import { createRegistry } from '../../../../lib/kit/metrics.ts'
import { int64Json } from '../../../../services/query/api/int64.ts'
import { buildInfo, describeFeatures, runtimeInfo } from '../../../../services/query/api/status.ts'
import { checkFlags, flags } from '../../../../services/query/config.ts'
import { Discovery } from '../../../../services/query/discovery.ts'

test('features: experimental ones are off unless their flags are on', () => {
  const off = describeFeatures({})
  expect(off.promql_functions).toMatchObject({ rate: true, mad_over_time: false, info: false })
  expect(off.promql_operators).toMatchObject({ sum: true, limitk: false, '</': true })
  expect(off.promql).toMatchObject({ at_modifier: true, anchored: false, fill: false, duration_expr: false })
  const on = describeFeatures({ experimentalFunctions: true, extendedRangeSelectors: true, fillModifiers: true })
  expect(on.promql_functions).toMatchObject({ mad_over_time: true, info: true })
  expect(on.promql_operators).toMatchObject({ limit_ratio: true })
  expect(on.promql).toMatchObject({ smoothed: true, fill_left: true })
  expect(Object.keys(off.promql!)).toEqual(Object.keys(off.promql!).sort())
  expect(Object.keys(off.promql_functions!)).toHaveLength(90)
})

test('build and runtime have the fields of Prometheus', () => {
  expect(Object.keys(buildInfo)).toEqual(['version', 'revision', 'branch', 'buildUser', 'buildDate', 'goVersion'])
  expect(Object.keys(runtimeInfo('2026-01-01T00:00:00Z', 0))).toEqual([
    ...['startTime', 'CWD', 'hostname', 'serverTime', 'reloadConfigSuccess', 'lastConfigTime', 'corruptionCount'],
    ...['goroutineCount', 'GOMAXPROCS', 'GOMEMLIMIT', 'GOGC', 'GODEBUG', 'storageRetention'],
  ])
})

test('the configuration is that of the endpoints, as --endpoint.sd-config takes it', () => {
  const discover = (...args: string[]) =>
    new Discovery({
      values: checkFlags(parseFlags('query', '', flags, args)),
      registry: createRegistry(),
      logger: createLogger({ level: 'silent' }),
    })
  const { configYaml } = discover('--endpoint=dns+a:1', '--endpoint-group-strict=g:1')
  expect(configYaml).toBe('endpoints:\n  - address: dns+a:1\n  - address: g:1\n    group: true\n    strict: true\n')
  expect(discover(`--endpoint.sd-config=${configYaml}`).configYaml).toBe(configYaml)
  expect(discover().configYaml).toBe('endpoints: []\n')
})

test("times without a bound are written as Go writes int64's extremes", () => {
  const texts = [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0, -1].map((time) =>
    JSON.stringify(int64Json(time)),
  )
  expect(texts).toEqual(['9223372036854775807', '-9223372036854775808', '0', '-1'])
})
