import { useEffect, useMemo, useState } from 'react'
import { api, listen } from '../api/client'
import type { Me } from '../api/types'
import { useLoad } from '../api/useLoad'
import { Frame } from '../frame/Frame'
import { ErrorNote } from '../part/ErrorNote'
import { Skeleton } from '../part/Skeleton'
import { Screens } from '../route/Screens'
import { useRouter } from '../route/router'
import { useText } from '../text/text'
import { FirstPassword } from './FirstPassword'
import { Login } from './Login'
import { SessionContext, type Session } from './session'

/** Lets people in: login, then the first password's change, then the frame. */
export function Gate() {
  const { t } = useText()
  const { path, go } = useRouter()
  const load = useLoad<Me>('/session')
  const [ended, setEnded] = useState(false)
  const me = load.data
  const { reload, set } = load

  useEffect(() => listen({ ended: () => setEnded(true) }), [])
  const session = useMemo<Session | null>(
    () =>
      me
        ? {
            me,
            can: (scope) => me.scopes.includes(scope),
            wide: me.user.tenant === me.operator.id && me.user.role !== 'tenant_admin' && me.user.role !== 'tenant_staff',
            reload,
            async signOut() {
              await api.remove('/session')
              window.location.assign('/')
            },
          }
        : null,
    [me, reload],
  )

  if (!session && load.error && load.error.status !== 401) {
    return (
      <main className="mx-auto max-w-[560px] p-6">
        <ErrorNote problem={load.error} what={t('state.no_start')} onRetry={reload} />
      </main>
    )
  }
  if (!session && load.loading) return <Skeleton />
  if (!session || ended) {
    return (
      <Login
        ended={ended}
        onIn={(who) => {
          set(who)
          setEnded(false)
          if (path === '/login') go('/', true)
        }}
      />
    )
  }
  if (session.me.user.must_change_password) return <FirstPassword onDone={reload} login={session.me.user.login} />
  return (
    <SessionContext value={session}>
      <Frame>
        <Screens />
      </Frame>
    </SessionContext>
  )
}
