"""Each month into the lake, in Apache Airflow 3: is all ready, the interval's month, and is the lake whole.

A task fails by the exit status of its command; what --json says of it is in the task's log, and, as the last line, its
XCom. Each run writes one month anew, so it may be repeated at any time. The password is a connection's, as Airflow
keeps it, and reaches the command by the environment.
"""

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

SOURCE = "mysql://movimento_reader@db.example:3306/sicooperative"
FOLDER = "/srv/sicooperative"
COMMAND = "/opt/movimento-flat/bin/movimento-flat"
PASSWORD = {"MYSQL_PWD": "{{ conn.sicooperative.password }}"}

with DAG(
    "movimento_flat",
    schedule=CronDataIntervalTimetable("0 5 1 * *", timezone="America/Sao_Paulo"),
    start_date=pendulum.datetime(2024, 1, 1, tz="America/Sao_Paulo"),
    catchup=False,
    max_active_runs=1,
) as dag:
    doctor = BashOperator(
        task_id="doctor",
        bash_command=f"{COMMAND} doctor --json --output {FOLDER}/month --source {SOURCE}",
        env=PASSWORD,
        append_env=True,
    )
    month = BashOperator(
        task_id="month",
        bash_command=(
            f"{COMMAND} run --json --quiet --output {FOLDER}/month --lake {FOLDER}/lake --source {SOURCE}"
            " --since {{ data_interval_start.strftime('%Y-%m-01') }}"
            " --until {{ data_interval_end.strftime('%Y-%m-01') }}"
        ),
        env=PASSWORD,
        append_env=True,
    )
    verify = BashOperator(task_id="verify", bash_command=f"{COMMAND} verify {FOLDER}/lake --json")

    doctor >> month >> verify
