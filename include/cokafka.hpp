// SPDX-License-Identifier: BSL-1.0
// Everything a user of the library includes.
// Layer 7.
#ifndef COKAFKA_HPP
#define COKAFKA_HPP

#include "cokafka/bytes_view.hpp"
#include "cokafka/config.hpp"
#include "cokafka/delivery.hpp"
#include "cokafka/error.hpp"
#include "cokafka/fate.hpp"
#include "cokafka/logger.hpp"
#include "cokafka/metrics.hpp"
#include "cokafka/partition_info.hpp"
#include "cokafka/producer.hpp"
#include "cokafka/record.hpp"
#include "cokafka/record_metadata.hpp"
#include "cokafka/result.hpp"
#include "cokafka/topic_handle.hpp"
#include "cokafka/topic_name.hpp"
#include "cokafka/version.hpp"

#endif
