"""What prompts are composed of: rules `name → alternatives`, in Korean and English, for `prompts`.

Alternatives stand one a line, words between bars. `{name}` is another rule, `{3-40}` a whole number of
that range, `{1000-900000,}` one with thousands separated. Korean particles are written as pairs (`을/를`) and chosen
by the syllable before them. Places and cases are put together by chance; no person and no outside line occurs.

Not aware of: random numbers, tokens.
"""

from __future__ import annotations

KOREAN_WORDS = {
    "city": "한빛시|새솔시|가람시|다온시|누리시|해오름시|미르시|아라시|늘봄시|푸른시|은하시|도담시|마루시|나래시"
    "|산들시",
    "district": "중구|동구|서구|남구|북구|강변구|호수구|신시가지구|구도심구|항만구|대학구|산업구",
    "first": "송|장|신|대|월|성|용|화|석|도|문|평|덕|수|반|청|봉|금|은|백|상|중|하|내|동|서|남|북|양|학|오|구|만|연|운",
    "second": "현|천|암|림|곡|산|정|계|촌|평|전|포|원|호|강|당|명|룡|안|화|목|교|항|진|성|북|남|미|대|지|수|율",
    "place": "{first}{second}동|{first}{second}로|{first}{second}길|{first}{second}읍|{first}{second}면"
    "|{first}{second}리",
    "office": "구청 민원실|동 주민센터|시청 교통과|보건소|세무과|도시계획과|환경위생과|복지정책과|여권창구"
    "|토지정보과|건축허가과|공원녹지과|평생학습관|안전총괄과|상하수도사업소|일자리지원센터|청년정책과|자원순환과"
    "|차량등록사업소|문화체육과|농업기술센터|정보통신과|감사담당관실|기획예산과|총무과|회계과|재난안전상황실"
    "|가족센터|노인복지관",
    "document": "주민등록등본|주민등록초본|가족관계증명서|혼인관계증명서|인감증명서|본인서명사실확인서"
    "|지방세 납세증명서|건축물대장|토지대장|지적도등본|자동차등록증|사업자등록증명|장애인등록증|여권|국제운전면허증"
    "|출입국사실증명|병적증명서|기초생활수급자증명서|농지대장|폐업사실증명|전입세대확인서|건강진단결과서"
    "|임대차계약 신고필증",
    "service": "출산장려금|아동수당|기초연금|청년월세 지원|전기차 보조금|주거급여|긴급복지 지원|문화누리카드|장학금"
    "|소상공인 정책자금|노인 일자리 사업|다자녀 할인|대형폐기물 배출|거주자 우선 주차|도서관 상호대차|무료 법률상담"
    "|예방접종|치매 조기검진|아이돌봄 서비스|산모 건강관리|재난지원금|에너지 바우처|평생교육 이용권|국민취업지원"
    "|빈집 정비사업|노후 경유차 폐차 지원|태양광 설치 지원|옥상 녹화사업|공공 와이파이|안심귀가 서비스",
    "facility": "횡단보도|신호등|보안등|가로수|하수구|빗물받이|버스정류장|자전거도로|놀이터|어린이공원|공영주차장"
    "|재활용 수거함|방범용 CCTV|육교|지하보도|체육시설|산책로|화장실|경로당|과속방지턱|안내표지판|소화전|배수로",
    "problem": "파손되어 위험합니다|더러워서 쓰기 어렵습니다|쓰레기로 덮여 있습니다|불법 주차로 막혀 있습니다"
    "|나뭇가지에 가려 있습니다|한쪽으로 기울어져 있습니다|관리되지 않고 있습니다|눈에 잘 띄지 않습니다"
    "|너무 낡아 불안합니다|휠체어로 다가갈 수 없습니다|밤에 보이지 않습니다|눈에 파묻혀 있습니다"
    "|낙서로 덮여 있습니다|공사 자재로 막혀 있습니다|물에 잠겨 있습니다",
    "topic": "광합성|일차함수|피타고라스 정리|삼국의 통일|훈민정음 창제|판 구조론|전기 회로|물의 순환|지구 온난화"
    "|확률과 통계|인수분해|산과 염기|뉴턴의 운동 법칙|세포 분열|유전 법칙|조선의 과거 제도|대동법|동학 농민 운동"
    "|민주주의의 원리|삼권 분립|수요와 공급|환율|기후와 식생|도시화|소수와 소인수분해|좌표평면|빛의 굴절|소리의 성질"
    "|화학 반응식|원자 구조|인공지능의 학습|알고리즘|정렬 방법|이진수|데이터 시각화|저작권|가짜 뉴스 판별"
    "|시조의 형식|현대시의 운율|비유와 상징|높임 표현|맞춤법|토론의 절차|설명문 쓰기|분수의 나눗셈|비례식|원의 넓이"
    "|태양계|달의 위상|화산과 지진|생태계 평형",
    "grade": "초등학교 {3-6}학년|중학교 {1-3}학년|고등학교 {1-3}학년|한국어를 배우는 성인|방과 후 교실|특수학급"
    "|검정고시 준비반",
    "manner": "그림 없이 말로|생활 속 예를 들어|쉬운 낱말로|표로 정리하여|세 문장으로|단계별로 나누어"
    "|질문과 대답의 형식으로|실험을 곁들여|흔한 오해를 짚어 가며|역사적 배경과 함께|비유를 하나 들어"
    "|핵심어를 강조하면서",
    "when": "{2024-2026}년 {1-12}월 {1-28}일|지난 {2-28}일|{1-12}월 {1-28}일|올해 {1-12}월|지난주 {weekday}"
    "|{3-30}일 전",
    "weekday": "월요일|화요일|수요일|목요일|금요일|토요일|일요일",
    "hour": "오전 {7-11}시|오후 {1-9}시|새벽 {1-5}시|저녁 {6-9}시 무렵|출근 시간|점심시간|하교 시간|밤 {9-11}시 이후",
    "phone": "내선 {1000-9999}번",
    "group": "주민|학생|어르신|보행자|상인|운전자|학부모|임산부|장애인|외국인 주민|입주민|자전거 이용자|방문객"
    "|돌봄 교사",
    "law": "지방자치법|도로교통법|건축법|주차장법|폐기물관리법|소음진동관리법|민원 처리에 관한 법률|개인정보 보호법"
    "|공공데이터 이용 활성화 조례|옥외광고물 관리 조례|도시공원 조례|보행안전 조례|주민참여예산 조례",
    "cost": "{1000-99000,}원|{2-95}만 원|{2-900}백만 원|총 {2-40}억 원",
    "plan": "현장 점검|예산 편성|주민 설명회|관계 기관 협의|실시 설계|공사 발주|임시 조치|단속 강화|안내문 게시"
    "|표본 조사|만족도 조사|전문가 자문|노선 조정|수목 정비|시설 교체|야간 순찰|홍보물 배포|전산 시스템 개선"
    "|담당자 교육|결과 공개",
    "result": "민원이 {3-60}건 줄었습니다|이용자가 {3-45}퍼센트 늘었습니다|사고가 한 건도 없었습니다"
    "|처리 기간이 {2-15}일 짧아졌습니다|예산이 {cost} 남았습니다|만족도가 {60-98}점으로 조사되었습니다"
    "|추가 공사가 필요하다는 의견이 나왔습니다|{group} {12-950}명이 참여하였습니다"
    "|운영 시간이 하루 {1-5}시간 연장되었습니다|개선 효과가 뚜렷하지 않았습니다",
}

KOREAN_SENTENCES = {
    "citizens": """
{office}에서 {document}을/를 발급받으려면 무엇을 가져가야 하나요?
가족은 {2-6}명입니다. {service} 신청 기간과 자격을 알려 주세요. 소득 기준도 궁금합니다.
부모님을 대신해 {document}을/를 떼려고 합니다. 위임장 말고 또 필요한 것이 있나요?
{place} {34-910}번지 앞 {facility}이/가 {problem}. 어디에 신고하면 되나요?
{city} {district}로/으로 이사했습니다. 전입신고와 {document} 변경을 한 번에 할 수 있나요?
{service}을/를 {when}에 신청했는데 아직 연락이 없습니다. 진행 상황은 어떻게 확인하나요?
{weekday} {hour}에도 {office}에서 상담을 받을 수 있나요? 전화는 {phone}이/가 맞나요?
{service}와/과 {service}을/를 함께 받을 수 있는지 알고 싶습니다.
{document} 수수료가 {cost}이라고 들었는데 인터넷으로 하면 더 싼가요?
외국인 배우자가 있습니다. {document} 없이도 {service} 대상이 되는지 알려 주세요.
""",
    "education": """
{grade} 학생에게 {topic}을/를 {manner} 설명해 주세요.
{topic} 단원을 마친 {grade} 학생이 풀 문제를 {3-9}개 만들고 답도 적어 주세요.
{topic}와/과 {topic}의 차이를 {manner} 알려 주세요.
{grade} 수업에서 {topic}을/를 {20-50}분 동안 가르치려고 합니다. 수업 계획을 짜 주세요.
{topic}이/가 왜 중요한지 {grade} 수준에서 {manner} 답해 주세요.
{topic}을/를 배울 때 학생이 자주 틀리는 까닭과 고쳐 주는 방법은 무엇인가요?
{weekday}까지 {topic}에 대한 발표를 준비해야 합니다. {manner} 정리하도록 도와주세요.
{topic} 평가 기준표를 상, 중, 하 세 단계로 만들어 주세요. 대상은 {grade}입니다.
""",
    "citizensmore": """
저는 {city} {place}에 살고 있습니다.
{weekday} {hour}에 방문하려고 합니다.
온라인으로도 처리할 수 있는지 알려 주세요.
담당 부서와 연락처도 함께 알려 주세요.
수수료와 처리 기간도 궁금합니다.
{group}도 이해할 수 있게 쉬운 말로 답해 주세요.
관련 규정이 {law}에 있다면 그 내용도 간단히 적어 주세요.
{when}에 문의했을 때는 {office}에서 답을 듣지 못했습니다.
""",
    "educationmore": """
{weekday}에 {20-50}분 동안 쓸 자료입니다.
어려운 낱말에는 뜻을 달아 주세요.
학생은 모두 {12-30}명이고 수준이 서로 다릅니다.
답은 {5-9}문장을 넘지 않게 해 주세요.
마지막에 확인 질문을 {2-5}개 덧붙여 주세요.
출처가 필요한 내용은 따로 표시해 주세요.
예시는 {city} {place}의 생활과 이어 주세요.
지난 시간에는 {topic}을/를 배웠습니다.
""",
    "task": """
다음 민원을 읽고 핵심 요구를 세 줄로 요약한 뒤 답변 초안을 정중한 문체로 작성하세요.
아래 회의 기록을 보고용 한 쪽 문서로 정리하고, 결정 사항과 남은 과제를 나누어 적으세요.
다음 내용을 바탕으로 {office}에 보낼 협조 공문을 쓰세요. 관련 근거와 회신 기한을 넣으세요.
아래 현황을 읽고 {law}에 비추어 검토할 쟁점을 찾아 우선순위를 매기세요.
다음 사업 보고를 {group}이/가 이해하기 쉬운 안내문으로 바꾸고 문의처를 덧붙이세요.
아래 기록에서 날짜, 장소, 금액, 담당 부서를 뽑아 표로 만드세요.
""",
    "fact": """
{when} {city} {district} {place} 일대에서 {facility} 관련 민원이 {3-95}건 접수되었습니다.
신청인은 "{place} {facility}이/가 {problem}."라고 하며 {hour}에 현장을 확인해 달라고 요청하였습니다.
{office}은/는 {plan}와/과 {plan}을/를 {1-12}월까지 마칠 계획입니다.
{group} {8-640}명이 서명한 건의서에는 {plan}을/를 서둘러 달라는 내용이 담겨 있습니다.
담당 부서는 {law} 제{2-78}조에 따라 {plan}이/가 필요하다고 판단하였습니다.
올해 배정된 예산은 총 {20-80}억 원이며 이 가운데 {2-19}억 원이 이미 집행되었습니다.
{place}의 {facility} {2-48}곳을 조사한 결과 {result}.
{service} 신청자는 {120-9800,}명으로, 처리에 평균 {3-40}일이 걸립니다.
{group}은/는 {hour}에 {facility} 주변이 특히 불편하다고 말하였습니다.
{when}에 열린 회의에서 {office}와/과 {office}의 역할을 다시 나누기로 하였습니다.
지난해 같은 사업에서는 {plan} 이후 {result}.
다만 {facility} 옆 사유지 문제로 {plan}이/가 {2-18}개월 늦어질 수 있습니다.
문의는 {office} {phone}으로 하면 됩니다.
{document} 발급이 {weekday}마다 몰려 대기 시간이 {12-75}분까지 늘어납니다.
{service} 안내문을 {group}에게 {300-8000,}부 배포하였으나 {result}.
""",
    "closing": """
사실과 의견을 구분하고, 확인되지 않은 내용은 확인이 필요하다고 적으세요.
개인정보로 보일 수 있는 부분은 가리고, 모르는 수치는 만들지 마세요.
{3-9}문장 이내로 쓰고 마지막에 다음 조치를 한 줄로 적으세요.
결재권자가 1분 안에 읽을 수 있도록 제목과 소제목을 붙이세요.
""",
}

ENGLISH_WORDS = {
    "city": "Hanbit|Saesol|Garam|Daon|Nuri|Haeoreum|Mireu|Ara|Neulbom|Pureun|Eunha|Dodam|Maru|Narae|Sandeul",
    "first": "Song|Jang|Sin|Dae|Wol|Seong|Yong|Hwa|Seok|Do|Mun|Pyeong|Deok|Su|Ban|Cheong|Bong|Geum|Baek|Sang|Hak|Un",
    "second": "hyeon|cheon|am|rim|gok|san|jeong|gye|chon|jeon|po|won|ho|gang|dang|myeong|an|hwa|mok|gyo|hang|jin|mi|ji",
    "place": "{first}{second}-dong|{first}{second}-ro|{first}{second}-gil|{first}{second}-eup|{first}{second}-myeon",
    "office": "the district office|the community centre|the traffic department|the public health centre"
    "|the tax office|the urban planning division|the sanitation department|the welfare policy division"
    "|the passport counter|the land records office|the building permit desk|the parks department"
    "|the lifelong learning centre|the water supply office|the job support centre|the youth policy team"
    "|the recycling division|the audit office|the vehicle registration office|the budget division"
    "|the emergency control room|the family support centre",
    "document": "a resident registration certificate|a family relation certificate|a marriage certificate"
    "|a seal certificate|a local tax payment certificate|a building register extract|a land register extract"
    "|a vehicle registration card|a business registration certificate|a disability card|a passport"
    "|an international driving permit|an entry and exit record|a military service certificate|a farmland register"
    "|a business closure certificate|a health examination report|a lease report receipt|an alien registration card"
    "|a certificate of residence",
    "service": "childbirth support|child allowance|the basic pension|rent support for young adults"
    "|the electric car subsidy|housing benefit|emergency welfare aid|the culture card|a scholarship"
    "|a loan for small shops|senior employment|the large family discount|bulky waste collection|resident parking"
    "|interlibrary loan|free legal advice|vaccination|dementia screening|home child care|maternity care"
    "|disaster relief|the energy voucher|the learning voucher|scrapping an old diesel car|rooftop solar panels"
    "|public wireless internet|the safe walk home service",
    "facility": "crosswalk|traffic light|street lamp|roadside tree|storm drain|bus stop|bicycle lane|playground"
    "|small park|public car park|recycling bin|security camera|footbridge|underpass|sports ground|walking trail"
    "|public toilet|senior centre|speed bump|direction sign|fire hydrant|drainage ditch|retaining wall|elevator"
    "|wheelchair ramp",
    "problem": "is broken and dangerous|is too dirty to be used|is covered with rubbish|is blocked by parked cars"
    "|is hidden behind branches|leans to one side|is not looked after|is hard to find"
    "|is old and unsafe|cannot be reached with a wheelchair|cannot be seen at night|is buried in snow"
    "|is covered with graffiti|is blocked by building material|is under water",
    "topic": "photosynthesis|linear functions|the Pythagorean theorem|the Three Kingdoms|the invention of Hangul"
    "|plate tectonics|electric circuits|the water cycle|global warming|probability|factorisation|acids and bases"
    "|Newton's laws of motion|cell division|heredity|the civil service examination|democracy"
    "|the separation of powers|supply and demand|exchange rates|climate and vegetation|urbanisation|prime numbers"
    "|coordinates|refraction|sound waves|chemical equations|atomic structure|machine learning|algorithms"
    "|sorting methods|binary numbers|data visualisation|copyright|recognising false news|metaphor and symbol"
    "|polite speech|spelling rules|debating|expository writing|dividing fractions|proportions|the area of a circle"
    "|the solar system|the phases of the moon|volcanoes and earthquakes|the balance of ecosystems|the human heart"
    "|energy conservation|magnetism|density",
    "grade": "grade {3-6} pupils|grade {7-9} students|high school students|adult learners of Korean"
    "|an after-school class|a special needs class|students who prepare for an equivalency test"
    "|first-year apprentices|evening school students",
    "manner": "without pictures|with examples from daily life|in simple words|as a table|in three sentences"
    "|step by step|as questions and answers|with a small experiment|pointing out common mistakes|with its history"
    "|with one comparison",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "when": "on {1-28} {month} {2024-2026}|on {1-28} {month}|last {weekday}|{3-30} days ago|in {month} this year",
    "hour": "at {7-11} in the morning|at {1-5} in the afternoon|before dawn|in the evening|during the rush hour"
    "|at lunch time|after school|after {9-11} at night|on weekends",
    "phone": "extension {1000-9999}",
    "group": "residents|students|older people|pedestrians|shopkeepers|drivers|parents|expectant mothers"
    "|people with disabilities|foreign residents|tenants|cyclists|visitors|care workers|volunteers|commuters"
    "|taxi drivers|library users",
    "law": "the Local Autonomy Act|the Road Traffic Act|the Building Act|the Parking Lot Act|the Waste Control Act"
    "|the Noise and Vibration Control Act|the Civil Petitions Act|the Personal Information Protection Act"
    "|the open data ordinance|the outdoor advertising ordinance|the city park ordinance"
    "|the pedestrian safety ordinance",
    "cost": "{1000-99000,} won|{2-900} million won|{2-40} billion won",
    "plan": "a site inspection|a budget request|a public hearing|talks with other agencies|a detailed design"
    "|a tender|a temporary repair|stricter enforcement|new notices|a sample survey|a satisfaction survey"
    "|expert advice|a change of the bus route|tree pruning|a replacement of equipment|night patrols|a leaflet"
    "|a better computer system|staff training|publication of the results|a feasibility study|an emergency drill",
    "result": "complaints fell by {3-60}|the number of users rose by {3-45} percent|there was no accident at all"
    "|processing became {2-15} days shorter|{cost} of the budget was left|satisfaction reached {60-98} points"
    "|some members asked for further construction|{12-950} {group} took part|opening hours grew by {1-5} hours a day"
    "|no clear improvement could be shown|the contractor had to repeat the work",
}

ENGLISH_SENTENCES = {
    "citizens": """
What do I need to bring to {office} to get {document}?
There are {2-6} of us at home. Who can apply for {service}, and until when? Please also explain the income limit.
I want to collect {document} for my parents. Is a letter of attorney enough?
The {facility} near {34-910} {place} {problem}. Where can I report this?
I have just moved to {city}. Can I report my new address and change {document} in one visit?
I applied for {service} {when} and have heard nothing since. How can I check the progress?
Is {office} open on {weekday}, {hour}? Is {phone} the right number?
Can my family receive {service} together with {service}?
I was told that {document} costs {cost}. Is it cheaper on the internet?
My husband is a foreigner. Can we get {service} without {document}?
""",
    "education": """
Explain {topic} to {grade} {manner}.
Write {3-9} exercises about {topic} for {grade} and add the answers.
What is the difference between {topic} and {topic}? Answer {manner}.
I am going to teach {topic} to {grade} for {20-50} minutes. Please draft a lesson plan.
Why does {topic} matter? Answer for {grade} {manner}.
Which mistakes do {grade} often make when they learn about {topic}, and how can a teacher help?
I have to give a talk about {topic} by {weekday}. Help me to arrange it {manner}.
Make a marking scheme with three levels for an essay on {topic} by {grade}.
""",
    "citizensmore": """
I live in {place} in {city}.
I would like to come on {weekday}, {hour}.
Please tell me whether this can be done on the internet.
Please name the department in charge and how to reach it.
I would also like to know the fee and how long it takes.
Answer in plain words that {group} can understand.
If there is a rule about this in {law}, summarise it briefly.
When I asked {when}, {office} could not tell me.
""",
    "educationmore": """
It is for a lesson of {20-50} minutes on {weekday}.
Add the meaning of difficult words.
There are {12-30} learners, and they know different amounts.
Use no more than {5-9} sentences.
End with {2-5} questions to check what was understood.
Mark what needs a source.
Take an example from daily life in {place}, {city}.
Last time we learned about {topic}.
""",
    "task": """
Read the following complaint, summarise its main requests in three lines and draft a polite reply.
Turn the minutes below into a one-page report and list decisions and open tasks separately.
Write a letter asking {office} for cooperation on the following matter. State the legal basis and a date for the reply.
Read the situation below, find the points to be examined under {law} and put them in order of urgency.
Rewrite the following project report as a notice that {group} can easily understand, and add where to ask.
Extract the dates, places, amounts and departments from the record below into a table.
""",
    "fact": """
{when} the city of {city} received {3-95} complaints about the {facility} in {place}.
The applicant says that the {facility} in {place} {problem} and asks for a visit {hour}.
Together with {office} the city plans {plan} and {plan} before the end of {month}.
A petition signed by {8-640} {group} asks for {plan} without delay.
The department in charge holds that {plan} is required under article {2-78} of {law}.
This year's budget is {20-80} billion won, of which {2-19} billion has already been spent.
After {2-48} places in {place} had been examined, {result}.
There are {120-9800,} applications for {service}, and each takes {3-40} days on average.
Many {group} said that the area around the {facility} is least comfortable {hour}.
At a meeting held {when}, the tasks of {office} and of {office} were divided anew.
Last year, after {plan}, {result}.
However, private land beside the {facility} may delay {plan} by {2-18} months.
Questions are answered by {office} at {phone}.
So many people ask for {document} on {weekday} that they wait for up to {12-75} minutes.
A leaflet about {service} was given to {300-8000,} {group}, but {result}.
""",
    "closing": """
Keep facts and opinions apart, and say where something still has to be verified.
Hide whatever could identify a person, and do not invent figures.
Write no more than {3-9} sentences and end with the next step on a line of its own.
Add a title and short headings, so that a manager can read it within a minute.
""",
}
