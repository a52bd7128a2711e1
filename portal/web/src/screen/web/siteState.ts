import type { Tone } from '../../part/Sign'

/** A site's mode, such as ours/block, as a sign and the key of its words. */
export function siteState(mode: string): { tone: Tone; key: string } {
  if (mode.includes('block')) return { tone: 'ok', key: 'web.mode.block' }
  if (mode.includes('detect')) return { tone: 'serious', key: 'web.mode.detect' }
  if (mode.includes('other')) return { tone: 'info', key: 'web.mode.other' }
  return { tone: 'notice', key: 'web.mode.off' }
}
