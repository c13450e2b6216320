// `npm test [-- FILTER…]`: installs what is locked, says which real services are missing, runs every test.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { bootstrap } from './bootstrap.mjs'
import { findNode, root } from './node.mjs'

bootstrap()
const services = [
  ['prometheus', 'prometheus', 'apt-get install prometheus'],
  ['promtool', 'promtool', 'apt-get install prometheus'],
  ["Ceph's RADOS Gateway", 'radosgw', 'apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common'],
]
for (const [name, command, how] of services) {
  if (spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0)
    console.log(`${name} is not on this machine: the tests that need it are left out (${how})`)
}
const report = `${root}build/test-report.json`
const vitest = [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
]
const { status } = spawnSync(findNode(), [...vitest, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
try {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'))
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
} catch (error) {
  console.error(`no test report: ${error.message}`)
}
process.exit(status ?? 1)
