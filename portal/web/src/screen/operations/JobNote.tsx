import type { Job } from '../../api/types'
import { State } from '../../part/State'
import type { Tone } from '../../part/Sign'
import { useText } from '../../text/text'

const tones: Record<Job['state'], Tone> = { queued: 'info', running: 'info', done: 'ok', failed: 'urgent' }

/** How a piece of background work goes. */
export function JobNote({ job }: { job: Job }) {
  const { t } = useText()
  return (
    <div role="status" className="card flex flex-wrap gap-x-4 p-4">
      <State tone={tones[job.state]}>{t('job.' + job.state, { percent: Math.round(job.progress * 100) })}</State>
      {job.error && <span className="wrap-anywhere">{job.error}</span>}
    </div>
  )
}
