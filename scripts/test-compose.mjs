// `npm run test:compose`: docker-compose.yml brought up for real, on the Docker that DOCKER_HOST names.
// `npm run test:containers`: the same cluster by testcontainers.
import { spawnSync } from 'node:child_process'
import { bootstrap } from './bootstrap.mjs'
import { findNode, root } from './node.mjs'

bootstrap()
const compose = ['test/compose/main.ts', ...process.argv.slice(2)]
const containers = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.containers.config.ts']
const args = process.argv.includes('--testcontainers') ? containers : compose
const { status } = spawnSync(findNode(), ['--disable-warning=ExperimentalWarning', ...args], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)
