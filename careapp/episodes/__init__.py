"""Episodes: the root of care; appointments, prescriptions and referrals stand inside one."""
