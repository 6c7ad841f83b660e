//! Words after which a parenthesis is no call of a stored function.
//!
//! Each server was asked about each of its keywords and functions: a stored function of that name was made, and the name called. Where it
//! was never the stored function that ran, the word is listed here (`integration/test_safety.py` asks again). A space in front of the
//! parenthesis makes a difference to some, as both manuals say ("Function Name Parsing and Resolution").

use std::collections::HashMap;
use std::sync::LazyLock;

use super::lexis::{Flavor, Lexis};

bitflags::bitflags! {
    /// Where a word followed by a parenthesis is the server's own; `.._SPACED` with a space between.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct On: u8 {
        const MYSQL = 1;
        const MYSQL_SPACED = 2;
        const MARIADB = 4;
        const MARIADB_SPACED = 8;
        /// From 11.8 on.
        const MARIADB_11 = 16;
        const MARIADB_11_SPACED = 32;
    }
}

/// Whether this word, followed by a parenthesis, is the server's own; `is_spaced`: with something between.
///
/// Where the server is not known, it has to be so on all of them.
pub(super) fn is_own(word: &[u8], is_spaced: bool, lexis: Lexis) -> bool {
    let mysql = if is_spaced { On::MYSQL_SPACED } else { On::MYSQL };
    let mariadb = if is_spaced { On::MARIADB_SPACED } else { On::MARIADB };
    let mariadb_11 = if is_spaced { On::MARIADB_11_SPACED } else { On::MARIADB_11 };
    let wanted = match (lexis.flavor, lexis.version) {
        (Some(Flavor::MySql), _) => mysql,
        (Some(Flavor::MariaDb), Some(version)) if version >= 110_800 => mariadb_11,
        (Some(Flavor::MariaDb), _) => mariadb,
        (None, _) => mysql | mariadb,
    };
    // The longest has 40 letters.
    let mut lowered = [0; 48];
    let Some(place) = lowered.get_mut(..word.len()) else { return false };
    place.copy_from_slice(word);
    place.make_ascii_lowercase();
    WORDS.get(&*place).is_some_and(|on| on.contains(wanted))
}

static WORDS: LazyLock<HashMap<&'static [u8], On>> = LazyLock::new(|| {
    let listed = LISTS.iter().flat_map(|(on, words)| words.split_ascii_whitespace().map(|word| (word.as_bytes(), *on)));
    listed.collect()
});

/// Every list has its words in order.
const LISTS: [(On, &str); 12] = [
    (
        On::all(),
        "\
         abs accessible acos add addtime aes_decrypt aes_encrypt all alter analyze and any as asc ascii \
         asensitive asin atan atan2 avg backup before begin benchmark between bigint bin binary binlog bit \
         bit_count bit_length blob bool boolean both by byte cache call cascade case ceil ceiling change char \
         char_length character character_length charset check checksum close coalesce code coercibility \
         collate collation column comment commit compress compressed concat concat_ws condition connection_id \
         constraint contains continue conv convert convert_tz cos cot crc32 create cross current_date \
         current_role current_time current_timestamp current_user cursor database databases date date_format \
         datediff datetime day day_hour day_microsecond day_minute day_second dayname dayofmonth dayofweek \
         dayofyear deallocate dec decimal declare default degrees delayed delete desc describe deterministic \
         distinct distinctrow div do double drop dual each else elseif elt enclosed end enum escaped except \
         exclude execute exists exit exp explain export_set extractvalue false fetch field find_in_set fixed \
         float float4 float8 floor flush following follows for force foreign format found_rows from \
         from_base64 from_days from_unixtime fulltext function get get_format get_lock global grant greatest \
         group handler having help hex high_priority hour hour_microsecond hour_minute hour_second if ifnull \
         ignore in index inet6_aton inet6_ntoa inet_aton inet_ntoa infile inner inout insensitive insert \
         install instr int int1 int2 int3 int4 int8 integer intersect interval into is is_free_lock is_ipv4 \
         is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock isnull iterate join json json_array \
         json_array_append json_array_insert json_contains json_contains_path json_depth json_extract \
         json_insert json_keys json_length json_merge json_merge_patch json_merge_preserve json_object \
         json_overlaps json_pretty json_quote json_remove json_replace json_search json_set json_type \
         json_unquote json_valid json_value key keys kill language last_day last_insert_id last_value lcase \
         leading least leave left length like limit linear lines ln load load_file local localtime \
         localtimestamp locate lock log log10 log2 long longblob longtext loop low_priority lower lpad ltrim \
         make_set makedate maketime master_pos_wait match maxvalue mbrcontains mbrdisjoint mbrequals \
         mbrintersects mbroverlaps mbrtouches mbrwithin medium mediumblob mediumint mediumtext microsecond \
         middleint minute minute_microsecond minute_second mod modifies month monthname name_const names \
         national natural nchar no no_write_to_binlog not null nullif number numeric nvarchar oct \
         octet_length offset on open optimize option optionally options or ord order others out outer outfile \
         over parser partition password period_add period_diff pi port pow power precedes preceding precision \
         prepare primary procedure purge quarter quote radians rand random_bytes range read read_write reads \
         real recursive references regexp regexp_instr regexp_replace regexp_substr release release_all_locks \
         release_lock remove rename repair repeat replace replica replicas require reset resignal restore \
         restrict return returning reverse revoke right rlike role rollback round row row_count row_number \
         rows rpad rtrim savepoint schema schemas sec_to_time second second_microsecond security select \
         sensitive separator serial server session set sha2 show shutdown sign signal signed sin slave sleep \
         smallint some soname soundex sounds space spatial specific sql sql_big_result sql_buffer_result \
         sql_calc_found_rows sql_no_cache sql_small_result sql_tsi_day sql_tsi_hour sql_tsi_minute \
         sql_tsi_month sql_tsi_second sql_tsi_year sqlexception sqlstate sqlwarning sqrt srid ssl st_area \
         st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_centroid st_contains st_convexhull \
         st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint \
         st_envelope st_equals st_exteriorring st_geomcollfromtext st_geomcollfromwkb \
         st_geometrycollectionfromtext st_geometrycollectionfromwkb st_geometryfromtext st_geometryfromwkb \
         st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn \
         st_intersection st_intersects st_isclosed st_isempty st_issimple st_length st_linefromtext \
         st_linefromwkb st_linestringfromtext st_linestringfromwkb st_mlinefromtext st_mlinefromwkb \
         st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multilinestringfromtext \
         st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb st_multipolygonfromtext \
         st_multipolygonfromwkb st_numgeometries st_numinteriorrings st_numpoints st_overlaps \
         st_pointfromtext st_pointfromwkb st_pointn st_polyfromtext st_polyfromwkb st_polygonfromtext \
         st_polygonfromwkb st_srid st_startpoint st_symdifference st_touches st_union st_within st_x st_y \
         start starting stats_auto_recalc stats_persistent stats_sample_pages stop stored str_to_date \
         straight_join strcmp substring_index subtime table tan terminated text then ties time time_format \
         time_to_sec timediff timestamp timestampadd timestampdiff tinyblob tinyint tinytext to to_base64 \
         to_days to_seconds trailing trigger true truncate ucase unbounded uncompress uncompressed_length \
         undo unhex unicode uninstall union unique unix_timestamp unlock unsigned update updatexml upgrade \
         upper usage use user using utc_date utc_time utc_timestamp uuid uuid_short value values varbinary \
         varchar varcharacter varying version week weekday weekofyear weight_string when where while window \
         with wrapper write xa xor year year_month yearweek zerofill \
        ",
    ),
    (
        On::MYSQL.union(On::MYSQL_SPACED),
        "\
         absent account action active admin after against aggregate algorithm allow_missing_files always \
         any_value array assign_gtids_to_anonymous_transactions at attribute authentication auto \
         auto_increment auto_refresh auto_refresh_source autoextend_size avg_row_length bernoulli bin_to_uuid \
         block btree buckets bulk can_access_column can_access_database can_access_event \
         can_access_resource_group can_access_routine can_access_table can_access_trigger can_access_user \
         can_access_view cascaded catalog_name chain challenge_response changed channel cipher class_origin \
         client clone column_format column_name columns committed compact completion component compression \
         concurrent connection consistent constraint_catalog constraint_name constraint_schema context \
         convert_cpu_id_mask convert_interval_to_user_interval cpu cube current current_role_in \
         current_user_in cursor_name data datafile default_auth definer definition delay_key_write \
         description diagnostics directory disable discard disk duality dumpfile duplicate dynamic empty \
         enable encryption ends enforced engine engine_attribute engines error errors escape event events \
         every exchange expansion expire export extended extent_size external external_format factor \
         failed_login_attempts fast faults fields file file_block_size file_format file_name file_pattern \
         file_prefix files filter finish first found from_vector full general generate generated \
         geomcollection geometry geometrycollection get_dd_column_privileges get_dd_create_options \
         get_dd_index_private_data get_dd_index_sub_part_length get_dd_property_key_value \
         get_dd_schema_options get_dd_tablespace_private_data get_jdv_property_key_value \
         get_source_public_key grants group_replication grouping groups gtid_only gtid_subset gtid_subtract \
         gtids guided hash header histogram history hosts icu_version identified ignore_server_ids import \
         inactive indexes initial initial_size initiate insert_method instance internal_auto_increment \
         internal_avg_row_length internal_check_time internal_checksum internal_data_free \
         internal_data_length internal_dd_char_length internal_get_comment_or_error \
         internal_get_dd_column_extra internal_get_enabled_role_json internal_get_hostname \
         internal_get_mandatory_roles_json internal_get_partition_nodegroup internal_get_username \
         internal_get_view_warning_or_error internal_index_column_cardinality internal_index_length \
         internal_is_enabled_role internal_is_mandatory_role internal_keys_disabled internal_max_data_length \
         internal_table_rows internal_tablespace_autoextend_size internal_tablespace_data_free \
         internal_tablespace_extent_size internal_tablespace_extra internal_tablespace_free_extents \
         internal_tablespace_id internal_tablespace_initial_size internal_tablespace_logfile_group_name \
         internal_tablespace_logfile_group_number internal_tablespace_maximum_size \
         internal_tablespace_row_format internal_tablespace_status internal_tablespace_total_extents \
         internal_tablespace_type internal_tablespace_version internal_update_time \
         internal_use_terminology_previous invisible invoker io io_after_gtids io_before_gtids io_thread ipc \
         is_uuid is_visible_dd_object isolation issuer json_schema_validation_report json_storage_free \
         json_storage_size json_table key_block_size keyring last lateral leaves less level library \
         linestring list locked locks logfile logs manual masking master materialized \
         max_connections_per_hour max_queries_per_hour max_rows max_size max_updates_per_hour \
         max_user_connections mbrcoveredby mbrcovers member memory merge message_text migrate min_rows mode \
         modify multilinestring multipoint multipolygon mutex mysql_errno name ndb ndbcluster nested \
         network_namespace never new next no_wait nodegroup none nowait nulls of off oj old one only \
         optimizer_costs optional ordinality organization pack_keys page parallel parameters parse_tree \
         partial partitioning partitions password_lock_time path persist persist_only phase plugin plugin_dir \
         plugins point policy polygon preserve prev privilege_checks_user privileges process processlist \
         profile profiles proxy ps_current_thread_id ps_thread_id qualify query quick random read_only \
         rebuild recover redo_buffer_size redundant reference regexp_like registration relational relay \
         relay_log_file relay_log_pos relay_thread relaylog reload remove_dd_property_key reorganize \
         repeatable replicate_do_db replicate_do_table replicate_ignore_db replicate_ignore_table \
         replicate_rewrite_db replicate_wild_do_table replicate_wild_ignore_table replication \
         require_row_format require_table_primary_key_check resource respect restart resume retain \
         returned_sqlstate returns reuse roles_graphml rollup rotate routine row_format rtree s3 schedule \
         schema_name secondary secondary_engine secondary_engine_attribute secondary_load secondary_unload \
         serializable sets share simple skip slow snapshot source source_auto_position source_bind \
         source_compression_algorithms source_connect_retry source_connection_auto_failover source_delay \
         source_heartbeat_period source_host source_log_file source_log_pos source_password source_port \
         source_pos_wait source_public_key_path source_retry_count source_ssl source_ssl_ca source_ssl_capath \
         source_ssl_cert source_ssl_cipher source_ssl_crl source_ssl_crlpath source_ssl_key \
         source_ssl_verify_server_cert source_tls_ciphersuites source_tls_version source_user \
         source_zstd_compression_level sql_after_mts_gaps sql_thread sql_tsi_quarter sql_tsi_week \
         st_buffer_strategy st_frechetdistance st_geohash st_geomcollfromtxt st_hausdorffdistance st_isvalid \
         st_latfromgeohash st_latitude st_lineinterpolatepoint st_lineinterpolatepoints st_longfromgeohash \
         st_longitude st_makeenvelope st_numinteriorring st_pointatdistance st_pointfromgeohash st_simplify \
         st_swapxy st_transform st_validate stacked starts statement_digest statement_digest_text status \
         storage stream strict_load string string_to_vector subclass_origin subject subpartition \
         subpartitions super suspend swaps switches system table_checksum table_name tables tablesample \
         tablespace temporary temptable than thread_priority tls transaction triggers type types uncommitted \
         undefined undo_buffer_size undofile unknown unregister until uri url use_frm user_resources \
         uuid_to_bin validate validate_password_strength validation variables vcpu vector_dim \
         vector_to_string verify_key_constraints version_with_update view virtual visible wait \
         wait_for_executed_gtid_set warnings without work x509 xid xml zone \
        ",
    ),
    (
        On::MARIADB.union(On::MARIADB_SPACED.union(On::MARIADB_11.union(On::MARIADB_11_SPACED))),
        "\
         add_months area astext binlog_gtid_pos boundary checkpoint chr clob column_add column_check \
         column_create column_delete column_exists column_get column_json column_list concat_operator_oracle \
         crc32c decode decode_histogram decode_oracle delete_domain_id des_decrypt des_encrypt do_domain_ids \
         encode encrypt equals examined geomfromtext id ignore_domain_ids ignored json_compact json_detailed \
         json_equals json_exists json_loose json_normalize json_query lastval lengthb lpad_oracle \
         ltrim_oracle master_demote_to_replica master_demote_to_slave master_gtid_wait md5 natural_sort_key \
         nextval nvl nvl2 old_password overlaps page_checksum parse_vcol_expr period pointfromtext portion \
         raw ref_system_id replace_oracle rownum rpad_oracle rtrim_oracle setval sformat sha sha1 slaves \
         sql_cache st_boundary st_isring st_pointonsurface st_relate substr_oracle sys_guid to_char touches \
         varchar2 within wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid x y \
        ",
    ),
    (
        On::MYSQL.union(On::MARIADB.union(On::MARIADB_11)),
        "\
         adddate bit_and bit_or bit_xor cast count curdate curtime date_add date_sub extract group_concat \
         json_arrayagg json_objectagg max mid min now position session_user std stddev stddev_pop stddev_samp \
         subdate substr substring sum system_user trim var_pop var_samp variance \
        ",
    ),
    (
        On::MARIADB_11.union(On::MARIADB_11_SPACED),
        "\
         json_array_intersect json_key_value json_object_filter_keys json_object_to_array kdf record uuid_v4 \
         uuid_v7 vec_distance vec_distance_cosine vec_distance_euclidean vec_fromtext vec_totext \
        ",
    ),
    (
        On::MYSQL.union(On::MYSQL_SPACED.union(On::MARIADB.union(On::MARIADB_11))),
        "\
         cume_dist dense_rank first_value lag lead nth_value ntile percent_rank rank \
        ",
    ),
    (
        On::MYSQL.union(On::MYSQL_SPACED.union(On::MARIADB_11.union(On::MARIADB_11_SPACED))),
        "\
         format_bytes format_pico_time json_schema_valid sql_after_gtids sql_before_gtids vector \
        ",
    ),
    (
        On::MARIADB.union(On::MARIADB_11),
        "\
         median percentile_cont percentile_disc trim_oracle \
        ",
    ),
    (
        On::MYSQL.union(On::MYSQL_SPACED.union(On::MARIADB.union(On::MARIADB_SPACED))),
        "\
         host owner socket \
        ",
    ),
    (
        On::MARIADB.union(On::MARIADB_SPACED),
        "\
         master_ssl_verify_server_cert \
        ",
    ),
    (
        On::MYSQL,
        "\
         st_collect \
        ",
    ),
    (
        On::MYSQL.union(On::MARIADB.union(On::MARIADB_SPACED.union(On::MARIADB_11.union(On::MARIADB_11_SPACED)))),
        "\
         sysdate \
        ",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_listed_once_and_fit() {
        let words: Vec<_> = LISTS.iter().flat_map(|(_, words)| words.split_ascii_whitespace()).collect();
        assert_eq!(words.len(), WORDS.len());
        assert!(words.iter().all(|word| word.len() < 48 && !word.chars().any(char::is_uppercase)));
        assert!(LISTS.iter().all(|(_, words)| words.split_ascii_whitespace().is_sorted()));
    }

    #[test]
    fn a_space_and_the_server_matter() {
        let on = |flavor, version| Lexis { flavor, version, ..Lexis::default() };
        let mysql = on(Some(Flavor::MySql), None);
        let mariadb = on(Some(Flavor::MariaDb), Some(101_100));
        assert!(is_own(b"Concat", true, mysql) && is_own(b"COUNT", false, mysql) && !is_own(b"count", true, mysql));
        assert!(
            is_own(b"nvl", false, mariadb) && !is_own(b"nvl", false, mysql) && !is_own(b"nvl", false, on(None, None))
        );
        assert!(
            !is_own(b"uuid_v7", false, mariadb) && is_own(b"uuid_v7", false, on(Some(Flavor::MariaDb), Some(110_802)))
        );
        assert!(!is_own(b"my_function", false, mysql) && !is_own(&[b'a'; 100], false, mysql));
    }
}
