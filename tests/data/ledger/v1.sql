-- A ledger of version 1 (release 0.1), as it was after one poll.
PRAGMA application_id = 1347503448;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE cluster (
    id     INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL UNIQUE,
    url    TEXT    NOT NULL,            -- where it was last seen, without credentials: finds the name again
    lists  INTEGER NOT NULL DEFAULT 0,  -- good lists so far
    listed REAL,                        -- time of the last one
    memo   TEXT    NOT NULL DEFAULT '{}' -- JSON: what completeness has to remember
);
INSERT INTO "cluster" VALUES(1,'test','http://t',1,1790000015.0,'{"coordinators": {"aaaaa": {"last_listed": 1790000015.0, "runs": [{"day": "20260921", "top": 9, "top_time": "133320", "holes": []}]}}, "started": 1789913615.0, "coordinator_id": "", "kept_seconds": null}');
CREATE TABLE label_value (
    cluster INTEGER NOT NULL,
    label   TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    PRIMARY KEY (cluster, label, value)
) WITHOUT ROWID;
INSERT INTO "label_value" VALUES(1,'error_name','SYNTAX_ERROR');
INSERT INTO "label_value" VALUES(1,'error_name','USER_CANCELED');
INSERT INTO "label_value" VALUES(1,'error_type','USER_ERROR');
INSERT INTO "label_value" VALUES(1,'fingerprint','99effb519db36f14');
INSERT INTO "label_value" VALUES(1,'fingerprint','a35bc03e47f0299d');
INSERT INTO "label_value" VALUES(1,'fingerprint','ece19e570db716e9');
INSERT INTO "label_value" VALUES(1,'source','cli');
INSERT INTO "label_value" VALUES(1,'source','superset');
INSERT INTO "label_value" VALUES(1,'user','alice');
INSERT INTO "label_value" VALUES(1,'user','bob');
INSERT INTO "label_value" VALUES(1,'user','o''neil "x"');
CREATE TABLE query (
    cluster             INTEGER NOT NULL,
    id                  TEXT    NOT NULL,
    coordinator         TEXT    NOT NULL,
    user                TEXT    NOT NULL, -- label values, not names
    source              TEXT    NOT NULL,
    outcome             TEXT    NOT NULL, -- '' until the end is counted
    lost                INTEGER NOT NULL,
    cpu_seconds         REAL    NOT NULL,
    failed_cpu_seconds  REAL    NOT NULL,
    input_bytes         REAL    NOT NULL,
    input_rows          REAL    NOT NULL,
    memory_byte_seconds REAL    NOT NULL,
    queued_seconds      REAL    NOT NULL,
    elapsed_seconds     REAL    NOT NULL,
    last_listed         REAL,             -- NULL: it is in the last list
    lists               INTEGER,          -- cluster.lists when it was last listed
    PRIMARY KEY (cluster, id)
) WITHOUT ROWID;
INSERT INTO "query" VALUES(1,'20260921_133320_00000_aaaaa','aaaaa','alice','cli','finished',0,1.25,0.0,0.0,0.0,0.0,0.0,1.0,NULL,NULL);
INSERT INTO "query" VALUES(1,'20260921_133320_00001_aaaaa','aaaaa','bob','','failed',0,2.25,2.25,1000.0,0.0,0.0,0.0,1.0,NULL,NULL);
INSERT INTO "query" VALUES(1,'20260921_133320_00002_aaaaa','aaaaa','o''neil "x"','superset','canceled',0,3.25,3.25,2000.0,0.0,0.0,0.0,1.0,NULL,NULL);
INSERT INTO "query" VALUES(1,'20260921_133320_00003_aaaaa','aaaaa','other','cli','finished',0,4.25,0.0,3000.0,0.0,0.0,0.0,1.0,NULL,NULL);
INSERT INTO "query" VALUES(1,'20260921_133320_00009_aaaaa','aaaaa','alice','cli','',0,4.5,0.0,0.0,0.0,0.0,0.0,0.0,NULL,NULL);
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    labels  TEXT    NOT NULL,  -- JSON array of values
    total   REAL    NOT NULL,
    born    REAL    NOT NULL,
    shown   INTEGER NOT NULL,  -- 1: has shown its value; never shows 0 again
    UNIQUE (cluster, name, labels)
);
INSERT INTO "series" VALUES(1,1,'presto_exporter_polls_total','["success"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(2,1,'presto_exporter_polls_total','["timeout"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(3,1,'presto_exporter_polls_total','["connection"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(4,1,'presto_exporter_polls_total','["tls"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(5,1,'presto_exporter_polls_total','["unauthorized"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(6,1,'presto_exporter_polls_total','["forbidden"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(7,1,'presto_exporter_polls_total','["http_status"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(8,1,'presto_exporter_polls_total','["too_large"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(9,1,'presto_exporter_polls_total','["decode"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(10,1,'presto_exporter_polls_total','["internal"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(11,1,'presto_exporter_records_rejected_total','["missing_field"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(12,1,'presto_exporter_records_rejected_total','["wrong_type"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(13,1,'presto_exporter_records_rejected_total','["bad_time"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(14,1,'presto_exporter_records_rejected_total','["bad_unit"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(15,1,'presto_exporter_records_rejected_total','["bad_text"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(16,1,'presto_exporter_label_overflow_total','["user"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(17,1,'presto_exporter_label_overflow_total','["source"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(18,1,'presto_exporter_label_overflow_total','["error_name"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(19,1,'presto_exporter_label_overflow_total','["fingerprint"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(20,1,'presto_exporter_label_overflow_total','["error_type"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(21,1,'presto_exporter_queries_missed_total','[]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(22,1,'presto_exporter_poll_gaps_total','[]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(23,1,'presto_query_duration_seconds_bucket','["finished", "0.1"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(24,1,'presto_query_duration_seconds_bucket','["finished", "0.25"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(25,1,'presto_query_duration_seconds_bucket','["finished", "0.5"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(26,1,'presto_query_duration_seconds_bucket','["finished", "1.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(27,1,'presto_query_duration_seconds_bucket','["finished", "2.5"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(28,1,'presto_query_duration_seconds_bucket','["finished", "5.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(29,1,'presto_query_duration_seconds_bucket','["finished", "10.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(30,1,'presto_query_duration_seconds_bucket','["finished", "30.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(31,1,'presto_query_duration_seconds_bucket','["finished", "60.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(32,1,'presto_query_duration_seconds_bucket','["finished", "120.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(33,1,'presto_query_duration_seconds_bucket','["finished", "300.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(34,1,'presto_query_duration_seconds_bucket','["finished", "600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(35,1,'presto_query_duration_seconds_bucket','["finished", "1800.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(36,1,'presto_query_duration_seconds_bucket','["finished", "3600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(37,1,'presto_query_duration_seconds_bucket','["finished", "7200.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(38,1,'presto_query_duration_seconds_bucket','["finished", "21600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(39,1,'presto_query_duration_seconds_bucket','["finished", "+Inf"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(40,1,'presto_query_duration_seconds_sum','["finished"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(41,1,'presto_query_duration_seconds_count','["finished"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(42,1,'presto_query_duration_seconds_bucket','["failed", "0.1"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(43,1,'presto_query_duration_seconds_bucket','["failed", "0.25"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(44,1,'presto_query_duration_seconds_bucket','["failed", "0.5"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(45,1,'presto_query_duration_seconds_bucket','["failed", "1.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(46,1,'presto_query_duration_seconds_bucket','["failed", "2.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(47,1,'presto_query_duration_seconds_bucket','["failed", "5.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(48,1,'presto_query_duration_seconds_bucket','["failed", "10.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(49,1,'presto_query_duration_seconds_bucket','["failed", "30.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(50,1,'presto_query_duration_seconds_bucket','["failed", "60.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(51,1,'presto_query_duration_seconds_bucket','["failed", "120.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(52,1,'presto_query_duration_seconds_bucket','["failed", "300.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(53,1,'presto_query_duration_seconds_bucket','["failed", "600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(54,1,'presto_query_duration_seconds_bucket','["failed", "1800.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(55,1,'presto_query_duration_seconds_bucket','["failed", "3600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(56,1,'presto_query_duration_seconds_bucket','["failed", "7200.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(57,1,'presto_query_duration_seconds_bucket','["failed", "21600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(58,1,'presto_query_duration_seconds_bucket','["failed", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(59,1,'presto_query_duration_seconds_sum','["failed"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(60,1,'presto_query_duration_seconds_count','["failed"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(61,1,'presto_query_duration_seconds_bucket','["canceled", "0.1"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(62,1,'presto_query_duration_seconds_bucket','["canceled", "0.25"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(63,1,'presto_query_duration_seconds_bucket','["canceled", "0.5"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(64,1,'presto_query_duration_seconds_bucket','["canceled", "1.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(65,1,'presto_query_duration_seconds_bucket','["canceled", "2.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(66,1,'presto_query_duration_seconds_bucket','["canceled", "5.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(67,1,'presto_query_duration_seconds_bucket','["canceled", "10.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(68,1,'presto_query_duration_seconds_bucket','["canceled", "30.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(69,1,'presto_query_duration_seconds_bucket','["canceled", "60.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(70,1,'presto_query_duration_seconds_bucket','["canceled", "120.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(71,1,'presto_query_duration_seconds_bucket','["canceled", "300.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(72,1,'presto_query_duration_seconds_bucket','["canceled", "600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(73,1,'presto_query_duration_seconds_bucket','["canceled", "1800.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(74,1,'presto_query_duration_seconds_bucket','["canceled", "3600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(75,1,'presto_query_duration_seconds_bucket','["canceled", "7200.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(76,1,'presto_query_duration_seconds_bucket','["canceled", "21600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(77,1,'presto_query_duration_seconds_bucket','["canceled", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(78,1,'presto_query_duration_seconds_sum','["canceled"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(79,1,'presto_query_duration_seconds_count','["canceled"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(80,1,'presto_query_queued_seconds_bucket','["finished", "0.1"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(81,1,'presto_query_queued_seconds_bucket','["finished", "0.25"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(82,1,'presto_query_queued_seconds_bucket','["finished", "0.5"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(83,1,'presto_query_queued_seconds_bucket','["finished", "1.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(84,1,'presto_query_queued_seconds_bucket','["finished", "2.5"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(85,1,'presto_query_queued_seconds_bucket','["finished", "5.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(86,1,'presto_query_queued_seconds_bucket','["finished", "10.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(87,1,'presto_query_queued_seconds_bucket','["finished", "30.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(88,1,'presto_query_queued_seconds_bucket','["finished", "60.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(89,1,'presto_query_queued_seconds_bucket','["finished", "120.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(90,1,'presto_query_queued_seconds_bucket','["finished", "300.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(91,1,'presto_query_queued_seconds_bucket','["finished", "600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(92,1,'presto_query_queued_seconds_bucket','["finished", "1800.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(93,1,'presto_query_queued_seconds_bucket','["finished", "3600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(94,1,'presto_query_queued_seconds_bucket','["finished", "7200.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(95,1,'presto_query_queued_seconds_bucket','["finished", "21600.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(96,1,'presto_query_queued_seconds_bucket','["finished", "+Inf"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(97,1,'presto_query_queued_seconds_sum','["finished"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(98,1,'presto_query_queued_seconds_count','["finished"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(99,1,'presto_query_queued_seconds_bucket','["failed", "0.1"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(100,1,'presto_query_queued_seconds_bucket','["failed", "0.25"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(101,1,'presto_query_queued_seconds_bucket','["failed", "0.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(102,1,'presto_query_queued_seconds_bucket','["failed", "1.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(103,1,'presto_query_queued_seconds_bucket','["failed", "2.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(104,1,'presto_query_queued_seconds_bucket','["failed", "5.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(105,1,'presto_query_queued_seconds_bucket','["failed", "10.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(106,1,'presto_query_queued_seconds_bucket','["failed", "30.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(107,1,'presto_query_queued_seconds_bucket','["failed", "60.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(108,1,'presto_query_queued_seconds_bucket','["failed", "120.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(109,1,'presto_query_queued_seconds_bucket','["failed", "300.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(110,1,'presto_query_queued_seconds_bucket','["failed", "600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(111,1,'presto_query_queued_seconds_bucket','["failed", "1800.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(112,1,'presto_query_queued_seconds_bucket','["failed", "3600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(113,1,'presto_query_queued_seconds_bucket','["failed", "7200.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(114,1,'presto_query_queued_seconds_bucket','["failed", "21600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(115,1,'presto_query_queued_seconds_bucket','["failed", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(116,1,'presto_query_queued_seconds_sum','["failed"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(117,1,'presto_query_queued_seconds_count','["failed"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(118,1,'presto_query_queued_seconds_bucket','["canceled", "0.1"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(119,1,'presto_query_queued_seconds_bucket','["canceled", "0.25"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(120,1,'presto_query_queued_seconds_bucket','["canceled", "0.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(121,1,'presto_query_queued_seconds_bucket','["canceled", "1.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(122,1,'presto_query_queued_seconds_bucket','["canceled", "2.5"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(123,1,'presto_query_queued_seconds_bucket','["canceled", "5.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(124,1,'presto_query_queued_seconds_bucket','["canceled", "10.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(125,1,'presto_query_queued_seconds_bucket','["canceled", "30.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(126,1,'presto_query_queued_seconds_bucket','["canceled", "60.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(127,1,'presto_query_queued_seconds_bucket','["canceled", "120.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(128,1,'presto_query_queued_seconds_bucket','["canceled", "300.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(129,1,'presto_query_queued_seconds_bucket','["canceled", "600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(130,1,'presto_query_queued_seconds_bucket','["canceled", "1800.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(131,1,'presto_query_queued_seconds_bucket','["canceled", "3600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(132,1,'presto_query_queued_seconds_bucket','["canceled", "7200.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(133,1,'presto_query_queued_seconds_bucket','["canceled", "21600.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(134,1,'presto_query_queued_seconds_bucket','["canceled", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(135,1,'presto_query_queued_seconds_sum','["canceled"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(136,1,'presto_query_queued_seconds_count','["canceled"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(137,1,'presto_query_peak_memory_bytes_bucket','["finished", "1048576.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(138,1,'presto_query_peak_memory_bytes_bucket','["finished", "4194304.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(139,1,'presto_query_peak_memory_bytes_bucket','["finished", "16777216.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(140,1,'presto_query_peak_memory_bytes_bucket','["finished", "67108864.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(141,1,'presto_query_peak_memory_bytes_bucket','["finished", "268435456.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(142,1,'presto_query_peak_memory_bytes_bucket','["finished", "1073741824.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(143,1,'presto_query_peak_memory_bytes_bucket','["finished", "4294967296.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(144,1,'presto_query_peak_memory_bytes_bucket','["finished", "17179869184.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(145,1,'presto_query_peak_memory_bytes_bucket','["finished", "68719476736.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(146,1,'presto_query_peak_memory_bytes_bucket','["finished", "274877906944.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(147,1,'presto_query_peak_memory_bytes_bucket','["finished", "1099511627776.0"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(148,1,'presto_query_peak_memory_bytes_bucket','["finished", "+Inf"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(149,1,'presto_query_peak_memory_bytes_sum','["finished"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(150,1,'presto_query_peak_memory_bytes_count','["finished"]',2.0,1790000000.0,1);
INSERT INTO "series" VALUES(151,1,'presto_query_peak_memory_bytes_bucket','["failed", "1048576.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(152,1,'presto_query_peak_memory_bytes_bucket','["failed", "4194304.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(153,1,'presto_query_peak_memory_bytes_bucket','["failed", "16777216.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(154,1,'presto_query_peak_memory_bytes_bucket','["failed", "67108864.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(155,1,'presto_query_peak_memory_bytes_bucket','["failed", "268435456.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(156,1,'presto_query_peak_memory_bytes_bucket','["failed", "1073741824.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(157,1,'presto_query_peak_memory_bytes_bucket','["failed", "4294967296.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(158,1,'presto_query_peak_memory_bytes_bucket','["failed", "17179869184.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(159,1,'presto_query_peak_memory_bytes_bucket','["failed", "68719476736.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(160,1,'presto_query_peak_memory_bytes_bucket','["failed", "274877906944.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(161,1,'presto_query_peak_memory_bytes_bucket','["failed", "1099511627776.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(162,1,'presto_query_peak_memory_bytes_bucket','["failed", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(163,1,'presto_query_peak_memory_bytes_sum','["failed"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(164,1,'presto_query_peak_memory_bytes_count','["failed"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(165,1,'presto_query_peak_memory_bytes_bucket','["canceled", "1048576.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(166,1,'presto_query_peak_memory_bytes_bucket','["canceled", "4194304.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(167,1,'presto_query_peak_memory_bytes_bucket','["canceled", "16777216.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(168,1,'presto_query_peak_memory_bytes_bucket','["canceled", "67108864.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(169,1,'presto_query_peak_memory_bytes_bucket','["canceled", "268435456.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(170,1,'presto_query_peak_memory_bytes_bucket','["canceled", "1073741824.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(171,1,'presto_query_peak_memory_bytes_bucket','["canceled", "4294967296.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(172,1,'presto_query_peak_memory_bytes_bucket','["canceled", "17179869184.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(173,1,'presto_query_peak_memory_bytes_bucket','["canceled", "68719476736.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(174,1,'presto_query_peak_memory_bytes_bucket','["canceled", "274877906944.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(175,1,'presto_query_peak_memory_bytes_bucket','["canceled", "1099511627776.0"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(176,1,'presto_query_peak_memory_bytes_bucket','["canceled", "+Inf"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(177,1,'presto_query_peak_memory_bytes_sum','["canceled"]',0.0,1790000000.0,1);
INSERT INTO "series" VALUES(178,1,'presto_query_peak_memory_bytes_count','["canceled"]',1.0,1790000000.0,1);
INSERT INTO "series" VALUES(179,1,'presto_user_queries_total','["alice", "cli", "finished"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(180,1,'presto_user_queries_total','["alice", "cli", "failed"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(181,1,'presto_user_queries_total','["alice", "cli", "canceled"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(182,1,'presto_user_queries_lost_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(183,1,'presto_user_query_cpu_seconds_total','["alice", "cli"]',5.75,1790000015.0,1);
INSERT INTO "series" VALUES(184,1,'presto_user_query_failed_cpu_seconds_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(185,1,'presto_user_query_input_bytes_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(186,1,'presto_user_query_input_rows_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(187,1,'presto_user_query_memory_byte_seconds_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(188,1,'presto_user_query_queued_seconds_total','["alice", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(189,1,'presto_user_query_elapsed_seconds_total','["alice", "cli"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(190,1,'presto_fingerprint_queries_total','["a35bc03e47f0299d", "finished"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(191,1,'presto_fingerprint_queries_total','["a35bc03e47f0299d", "failed"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(192,1,'presto_fingerprint_queries_total','["a35bc03e47f0299d", "canceled"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(193,1,'presto_fingerprint_cpu_seconds_total','["a35bc03e47f0299d"]',4.5,1790000015.0,1);
INSERT INTO "series" VALUES(194,1,'presto_fingerprint_failed_cpu_seconds_total','["a35bc03e47f0299d"]',3.25,1790000015.0,1);
INSERT INTO "series" VALUES(195,1,'presto_fingerprint_input_bytes_total','["a35bc03e47f0299d"]',2000.0,1790000015.0,1);
INSERT INTO "series" VALUES(196,1,'presto_fingerprint_elapsed_seconds_total','["a35bc03e47f0299d"]',2.0,1790000015.0,1);
INSERT INTO "series" VALUES(197,1,'presto_user_queries_total','["bob", "", "finished"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(198,1,'presto_user_queries_total','["bob", "", "failed"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(199,1,'presto_user_queries_total','["bob", "", "canceled"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(200,1,'presto_user_queries_lost_total','["bob", ""]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(201,1,'presto_user_query_cpu_seconds_total','["bob", ""]',2.25,1790000015.0,1);
INSERT INTO "series" VALUES(202,1,'presto_user_query_failed_cpu_seconds_total','["bob", ""]',2.25,1790000015.0,1);
INSERT INTO "series" VALUES(203,1,'presto_user_query_input_bytes_total','["bob", ""]',1000.0,1790000015.0,1);
INSERT INTO "series" VALUES(204,1,'presto_user_query_input_rows_total','["bob", ""]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(205,1,'presto_user_query_memory_byte_seconds_total','["bob", ""]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(206,1,'presto_user_query_queued_seconds_total','["bob", ""]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(207,1,'presto_user_query_elapsed_seconds_total','["bob", ""]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(208,1,'presto_fingerprint_queries_total','["99effb519db36f14", "finished"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(209,1,'presto_fingerprint_queries_total','["99effb519db36f14", "failed"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(210,1,'presto_fingerprint_queries_total','["99effb519db36f14", "canceled"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(211,1,'presto_fingerprint_cpu_seconds_total','["99effb519db36f14"]',6.5,1790000015.0,1);
INSERT INTO "series" VALUES(212,1,'presto_fingerprint_failed_cpu_seconds_total','["99effb519db36f14"]',2.25,1790000015.0,1);
INSERT INTO "series" VALUES(213,1,'presto_fingerprint_input_bytes_total','["99effb519db36f14"]',4000.0,1790000015.0,1);
INSERT INTO "series" VALUES(214,1,'presto_fingerprint_elapsed_seconds_total','["99effb519db36f14"]',2.0,1790000015.0,1);
INSERT INTO "series" VALUES(215,1,'presto_user_query_errors_total','["bob", "", "failed", "USER_ERROR", "SYNTAX_ERROR"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(216,1,'presto_user_queries_total','["o''neil \"x\"", "superset", "finished"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(217,1,'presto_user_queries_total','["o''neil \"x\"", "superset", "failed"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(218,1,'presto_user_queries_total','["o''neil \"x\"", "superset", "canceled"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(219,1,'presto_user_queries_lost_total','["o''neil \"x\"", "superset"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(220,1,'presto_user_query_cpu_seconds_total','["o''neil \"x\"", "superset"]',3.25,1790000015.0,1);
INSERT INTO "series" VALUES(221,1,'presto_user_query_failed_cpu_seconds_total','["o''neil \"x\"", "superset"]',3.25,1790000015.0,1);
INSERT INTO "series" VALUES(222,1,'presto_user_query_input_bytes_total','["o''neil \"x\"", "superset"]',2000.0,1790000015.0,1);
INSERT INTO "series" VALUES(223,1,'presto_user_query_input_rows_total','["o''neil \"x\"", "superset"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(224,1,'presto_user_query_memory_byte_seconds_total','["o''neil \"x\"", "superset"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(225,1,'presto_user_query_queued_seconds_total','["o''neil \"x\"", "superset"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(226,1,'presto_user_query_elapsed_seconds_total','["o''neil \"x\"", "superset"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(227,1,'presto_user_query_errors_total','["o''neil \"x\"", "superset", "canceled", "USER_ERROR", "USER_CANCELED"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(228,1,'presto_user_queries_total','["other", "cli", "finished"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(229,1,'presto_user_queries_total','["other", "cli", "failed"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(230,1,'presto_user_queries_total','["other", "cli", "canceled"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(231,1,'presto_user_queries_lost_total','["other", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(232,1,'presto_user_query_cpu_seconds_total','["other", "cli"]',4.25,1790000015.0,1);
INSERT INTO "series" VALUES(233,1,'presto_user_query_failed_cpu_seconds_total','["other", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(234,1,'presto_user_query_input_bytes_total','["other", "cli"]',3000.0,1790000015.0,1);
INSERT INTO "series" VALUES(235,1,'presto_user_query_input_rows_total','["other", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(236,1,'presto_user_query_memory_byte_seconds_total','["other", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(237,1,'presto_user_query_queued_seconds_total','["other", "cli"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(238,1,'presto_user_query_elapsed_seconds_total','["other", "cli"]',1.0,1790000015.0,1);
INSERT INTO "series" VALUES(239,1,'presto_fingerprint_queries_total','["ece19e570db716e9", "finished"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(240,1,'presto_fingerprint_queries_total','["ece19e570db716e9", "failed"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(241,1,'presto_fingerprint_queries_total','["ece19e570db716e9", "canceled"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(242,1,'presto_fingerprint_cpu_seconds_total','["ece19e570db716e9"]',4.5,1790000015.0,1);
INSERT INTO "series" VALUES(243,1,'presto_fingerprint_failed_cpu_seconds_total','["ece19e570db716e9"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(244,1,'presto_fingerprint_input_bytes_total','["ece19e570db716e9"]',0.0,1790000015.0,1);
INSERT INTO "series" VALUES(245,1,'presto_fingerprint_elapsed_seconds_total','["ece19e570db716e9"]',0.0,1790000015.0,1);
CREATE TABLE statement (  -- of fingerprints that have series of their own, in any cluster
    fingerprint TEXT PRIMARY KEY,
    query_type  TEXT NOT NULL,
    template    TEXT NOT NULL  -- without literals
) WITHOUT ROWID;
INSERT INTO "statement" VALUES('99effb519db36f14','SELECT','SELECT c1
FROM t
WHERE k = ?');
INSERT INTO "statement" VALUES('a35bc03e47f0299d','SELECT','SELECT c0
FROM t
WHERE k = ?');
INSERT INTO "statement" VALUES('ece19e570db716e9','SELECT','SELECT ?');
CREATE INDEX query_unlisted ON query (cluster, coordinator, last_listed) WHERE last_listed IS NOT NULL;
COMMIT;
