// `npm run test:compose`: docker-compose.yml brought up for real, on the Docker that DOCKER_HOST names.
import { spawnSync } from 'node:child_process'
import { bootstrap } from './bootstrap.mjs'
import { findNode, root } from './node.mjs'

bootstrap()
const args = ['--disable-warning=ExperimentalWarning', 'test/compose/main.ts', ...process.argv.slice(2)]
const { status } = spawnSync(findNode(), args, { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
