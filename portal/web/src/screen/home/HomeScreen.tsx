import type { Home } from '../../api/types'
import { useLoad } from '../../api/useLoad'
import { Page } from '../../part/Page'
import { Panel } from '../../part/Panel'
import { useSession } from '../../session/session'
import { useText } from '../../text/text'
import { AuditorHome } from './AuditorHome'
import { OperatorHome } from './OperatorHome'
import { SocHome } from './SocHome'
import { TenantHome } from './TenantHome'

const refresh = 15_000

/** The first page: which one, the role says. */
export function HomeScreen() {
  const { t } = useText()
  const { me, wide } = useSession()
  const load = useLoad<Home>('/home', refresh)
  const role = me.user.role
  const title =
    role === 'auditor' ? 'home.auditor_title' : wide ? (role === 'soc' ? 'home.soc_title' : 'home.operator_title') : 'home.title'
  if (!load.data) {
    return (
      <Page title={t(title)}>
        <Panel from={load} what={t(title)}>
          {() => null}
        </Panel>
      </Page>
    )
  }
  if (role === 'auditor') return <AuditorHome home={load.data} title={t(title)} />
  if (load.data.view === 'tenant') return <TenantHome load={load} home={load.data} title={t(title)} />
  if (role === 'soc') return <SocHome load={load} home={load.data} title={t(title)} />
  return <OperatorHome load={load} home={load.data} title={t(title)} />
}
